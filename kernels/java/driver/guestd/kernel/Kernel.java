package guestd.kernel;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;

/** Answers requests, one after the other. */
final class Kernel {
  private final Channel channel;
  private final Environment environment = new Environment();
  private final Evaluator evaluator;
  /** Where this process is: Java cannot go elsewhere. */
  private final Path directory = Path.of("").toAbsolutePath();
  private int count;

  Kernel(Channel channel) {
    this.channel = channel;
    evaluator = new Evaluator(channel);
  }

  void sendReady() {
    long pid = ProcessHandle.current().pid();
    channel.send("ready", "pid", pid, "engine", "jshell", "version", System.getProperty("java.version"));
  }

  /** Operations that are not known are passed over; `reseed` too, since Java asks the machine for the seeds of its generators. */
  void answer(Request request) {
    if (request.is("execute")) execute(request);
    else if (request.is("adopt")) adopt(request);
  }

  private void adopt(Request request) {
    environment.adopt(request.variables());
    if (request.text().isEmpty() || isHere(Path.of(request.text()))) channel.send("adopted", "id", request.id());
    else channel.send("adopted", "id", request.id(), "stale", true);
  }

  private boolean isHere(Path wanted) {
    try {
      return Files.isSameFile(directory, wanted);
    } catch (IOException unknown) {
      return false;
    }
  }

  private void execute(Request request) {
    String id = request.id();
    evaluator.hearInterrupts();
    Notebook.displays = forms -> channel.send("result", "id", id, "main", false, "data", forms);
    environment.borrow(request.variables());
    boolean isBlank = request.text().isBlank();
    channel.send("start", "id", id, "count", count + 1);
    if (!isBlank) count += 1;
    String status = "ok";
    try {
      Map<String, Object> result = evaluator.run(new Cell(count, request.text()));
      if (result != null) channel.send("result", "id", id, "main", true, "data", result);
    } catch (CellError error) {
      status = error.isInterrupt() ? "interrupted" : "error";
      channel.send("error", "id", id, "name", error.name(), "value", error.value(), "traceback", error.traceback());
    }
    environment.restore();
    channel.send("end", "id", id, "status", status);
  }
}
