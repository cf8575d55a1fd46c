package guestd.kernel;

import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;

/** Starts the kernel: requests on descriptor 3, events on 4; see PROTOCOL.md in the folder of all kernels. */
public final class Main {
  private Main() {}

  public static void main(String[] arguments) {
    int status = 0;
    try {
      if (arguments.length > 0 && arguments[0].equals("--train")) Training.run();
      else serve();
    } catch (Throwable failure) {
      failure.printStackTrace();
      status = 1;
    }
    System.out.flush();
    System.err.flush();
    // Not `exit`: threads and hooks that cells have left behind have no say in it.
    if (arguments.length == 0) Runtime.getRuntime().halt(status);
    System.exit(status);
  }

  private static void serve() throws IOException {
    // Opened by path: descriptions of their own, whose blocking mode no child shares. Java closes all but 0, 1 and 2 in children.
    Requests requests = new Requests(new FileInputStream("/proc/self/fd/3"));
    Request hello = requests.next();
    if (hello == null || !hello.is("hello")) throw new IOException("the first request must be hello");
    UnitStream out = new UnitStream(new FileOutputStream("/proc/self/fd/1"), hello.text());
    UnitStream err = new UnitStream(new FileOutputStream("/proc/self/fd/2"), hello.text());
    System.setOut(new Printer(out));
    System.setErr(new Printer(err));
    Channel channel = new Channel(new FileOutputStream("/proc/self/fd/4"), out, err);
    Runtime.getRuntime().addShutdownHook(new Thread(() -> flush(out, err)));
    Kernel kernel = new Kernel(channel);
    kernel.sendReady();
    for (Request request = requests.next(); request != null; request = requests.next()) kernel.answer(request);
  }

  private static void flush(UnitStream... streams) {
    try {
      for (UnitStream stream : streams) stream.flush();
    } catch (IOException gone) {
      return; // nobody reads any more
    }
  }
}
