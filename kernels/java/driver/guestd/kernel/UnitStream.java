package guestd.kernel;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;

/**
 * An output of user code in which each write of several bytes is a unit of text, with a marker behind it. Single bytes wait for
 * the next of those, the end of a line, a flush or an event.
 */
final class UnitStream extends OutputStream {
  private static final int MAX_HELD = 8 * 1024;
  private final OutputStream output;
  private final String prefix;
  private final byte[] unitEnd;
  private byte[] buffer = new byte[MAX_HELD + 64];
  private int held;

  UnitStream(OutputStream output, String nonce) {
    this.output = output;
    this.prefix = "\0\033]K;" + nonce + ";";
    this.unitEnd = marker("");
  }

  @Override
  public synchronized void write(int oneByte) throws IOException {
    buffer[held++] = (byte) oneByte;
    if (oneByte == '\n' || held == MAX_HELD) flush();
  }

  @Override
  public synchronized void write(byte[] bytes, int from, int length) throws IOException {
    if (length == 0) return;
    flush();
    send(bytes, from, length);
  }

  @Override
  public synchronized void flush() throws IOException {
    int length = held;
    held = 0;
    if (length > 0) send(buffer, 0, length);
  }

  /** Says that everything before is what was printed before event `number`. */
  synchronized void writeBarrier(int number) throws IOException {
    flush();
    output.write(marker(Integer.toString(number)));
  }

  /** One write for text and marker: what children print does not come between short ones. */
  private void send(byte[] bytes, int from, int length) throws IOException {
    byte[] unit = length + unitEnd.length <= buffer.length ? buffer : new byte[length + unitEnd.length];
    System.arraycopy(bytes, from, unit, 0, length);
    System.arraycopy(unitEnd, 0, unit, length, unitEnd.length);
    output.write(unit, 0, length + unitEnd.length);
  }

  private byte[] marker(String number) {
    return (prefix + number + "\007").getBytes(StandardCharsets.ISO_8859_1);
  }
}
