package guestd.kernel;

import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;

/** Reads requests: `OP ID LENGTH LENGTH`, a line feed, and two parts of those lengths. */
final class Requests {
  private final InputStream input;

  Requests(InputStream input) {
    this.input = new BufferedInputStream(input, 16 * 1024);
  }

  /** The next request; null when there are no more. */
  Request next() throws IOException {
    String header = line();
    if (header == null) return null;
    String[] fields = header.split(" ");
    if (fields.length != 4) throw new IOException("not a request: " + header);
    byte[] text = take(Integer.parseInt(fields[2]));
    byte[] variables = take(Integer.parseInt(fields[3]));
    return new Request(fields[0], fields[1], new String(text, StandardCharsets.UTF_8), variables);
  }

  private String line() throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream(64);
    for (int next = input.read(); next != '\n'; next = input.read()) {
      if (next < 0) return null;
      bytes.write(next);
    }
    return bytes.toString(StandardCharsets.UTF_8);
  }

  private byte[] take(int length) throws IOException {
    byte[] bytes = input.readNBytes(length);
    if (bytes.length < length) throw new EOFException("requests end within one");
    return bytes;
  }
}
