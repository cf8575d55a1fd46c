package guestd.kernel;

import java.util.concurrent.Semaphore;
import sun.misc.Signal;

/** SIGINT, which Java hands on by a thread of its own for each signal: one may be late. */
final class Interrupts {
  private static final String HANDLER_THREAD = "SIGINT handler";
  /** Ignored by default, of no use to a program without a terminal, and of a higher number: Java hands on lower ones first. */
  private static final Signal FENCE = new Signal("WINCH");

  private final Semaphore fence = new Semaphore(0);

  Interrupts(Runnable onInterrupt) {
    Signal.handle(FENCE, signal -> fence.release());
    Signal.handle(new Signal("INT"), signal -> onInterrupt.run());
  }

  /** Returns when every interrupt that was sent before has been heard: it was meant for what came before. */
  void settle() {
    fence.drainPermits();
    Signal.raise(FENCE);
    fence.acquireUninterruptibly();
    for (Thread thread : systemThreads()) if (thread != null && thread.getName().equals(HANDLER_THREAD)) join(thread);
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
