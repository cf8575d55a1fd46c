package guestd.kernel;

import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;

/**
 * `System.out` and `System.err`: UTF-8, and each print one write however long its text, the end of a line another one
 * (a `PrintStream` writes that apart when it is a subclass).
 */
final class Printer extends PrintStream {
  Printer(UnitStream output) {
    super(output, false, StandardCharsets.UTF_8);
  }

  @Override
  public void print(String text) {
    byte[] bytes = String.valueOf(text).getBytes(StandardCharsets.UTF_8);
    try {
      out.write(bytes);
    } catch (IOException failure) {
      setError();
    }
  }

  @Override
  public void print(Object value) {
    print(String.valueOf(value));
  }

  @Override
  public void print(char[] text) {
    print(String.valueOf(text));
  }
}
