package guestd.kernel;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.Semaphore;
import java.util.stream.Stream;
import sun.misc.Signal;

/** SIGINT, which Java hands on by a thread of its own for each signal: one may be late. */
final class Interrupts {
  private static final String HANDLER_THREAD = "SIGINT handler";
  /** Ignored by default, of no use to a program without a terminal, and of a higher number: Java hands on lower ones first. */
  private static final Signal FENCE = new Signal("WINCH");

  private static final long SIGINT_BIT = 1L << (2 - 1);

  private final Semaphore fence = new Semaphore(0);

  Interrupts(Runnable onInterrupt) {
    Signal.handle(new Signal("INT"), signal -> onInterrupt.run());
  }

  /** Returns when every interrupt that was sent before has been heard: it was meant for what came before. */
  void settle() {
    // Whichever thread the system has chosen may not have come to run yet.
    while (isPending()) Thread.onSpinWait();
    fence.drainPermits();
    // A cell may have taken the signal for itself.
    Signal.handle(FENCE, signal -> fence.release());
    Signal.raise(FENCE);
    fence.acquireUninterruptibly();
    for (Thread thread : systemThreads()) if (thread != null && thread.getName().equals(HANDLER_THREAD)) join(thread);
  }

  /** Whether a SIGINT waits for some thread of this process. */
  private static boolean isPending() {
    try (Stream<String> lines = Files.lines(Path.of("/proc/self/status"))) {
      return lines
          .filter(line -> line.startsWith("ShdPnd:"))
          .anyMatch(line -> (Long.parseUnsignedLong(line.substring(7).strip(), 16) & SIGINT_BIT) != 0);
    } catch (IOException | UncheckedIOException unreadable) {
      return false; // then the fence has to do
    }
  }

  private static Thread[] systemThreads() {
    ThreadGroup group = Thread.currentThread().getThreadGroup();
    while (group.getParent() != null) group = group.getParent();
    Thread[] threads = new Thread[group.activeCount() + 8];
    // Not those of its subgroups, which are the user's.
    group.enumerate(threads, false);
    return threads;
  }

  private static void join(Thread thread) {
    try {
      thread.join();
    } catch (InterruptedException impossible) {
      throw new IllegalStateException(impossible); // nobody interrupts the kernel's own thread
    }
  }
}
