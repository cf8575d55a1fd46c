package guestd.kernel;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Sends events, each behind everything printed so far. Any thread may send. Its monitor is held while an event is half sent: who
 * stops a thread in the middle of anything must hold it.
 */
final class Channel {
  private final OutputStream events;
  private final UnitStream[] streams;
  private int barrier;

  Channel(OutputStream events, UnitStream... streams) {
    this.events = events;
    this.streams = streams;
  }

  /** Sends an event; `members` are names and values in turn. Ends the kernel when nobody reads any more. */
  synchronized void send(String event, Object... members) {
    Map<String, Object> all = new LinkedHashMap<>();
    all.put("ev", event);
    all.put("b", barrier + 1);
    for (int index = 0; index < members.length; index += 2) all.put((String) members[index], members[index + 1]);
    // What user code may have left of a line in this pipe ends here.
    byte[] line = ("\n" + Json.text(all) + "\n").getBytes(StandardCharsets.UTF_8);
    try {
      barrier += 1;
      for (UnitStream stream : streams) stream.writeBarrier(barrier);
      events.write(line);
    } catch (IOException gone) {
      Runtime.getRuntime().halt(1);
    }
  }
}
