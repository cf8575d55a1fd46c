package guestd.kernel;

import java.lang.reflect.Field;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import jdk.jshell.execution.LocalExecutionControl;

/**
 * Runs snippets in this JVM, each on a thread of its own, and keeps what an expression has come to. The thread that calls JShell waits;
 * `interrupt` comes from another one.
 *
 * How a thread that does not listen is stopped depends on Java: up to 19 by `Thread.stop`; later JShell builds a check of a flag into
 * the loops and methods of snippets, which ends every thread that meets it.
 */
final class SnippetRunner extends LocalExecutionControl {
  /** For threads that a stopped snippet has started, to meet the flag as well. */
  private static final int STRAGGLER_MS = 100;

  private final ThreadGroup threads = new ThreadGroup("cells");
  /** Guards `snippet`, `earlier` and `isInterrupted`, and whatever a thread must not be stopped in. */
  private final Object unstoppable;
  /** Null where JShell has no flag. */
  private Field stopFlag;
  private Method threadStop;
  private Thread snippet;
  private List<Thread> earlier = List.of();
  private boolean isInterrupted;
  private boolean wantsResult;
  private Throwable failure;
  private Map<String, Object> result;

  SnippetRunner(Object unstoppable) {
    this.unstoppable = unstoppable;
  }

  /** Finds out how threads are stopped; once, before the first snippet. */
  void prepare() throws Exception {
    if (Runtime.version().feature() < 20) {
      threadStop = Thread.class.getMethod("stop");
      return;
    }
    // JShell makes the class with its flag when it runs something by itself.
    Method nothing = SnippetRunner.class.getDeclaredMethod("nothing");
    nothing.setAccessible(true);
    super.invoke(nothing);
    stopFlag = findClass("REPL.$Cancel$").getDeclaredField("allStop");
    stopFlag.setAccessible(true);
  }

  private static void nothing() {}

  /** A cell begins: what interrupted the one before is forgotten. */
  void begin() {
    synchronized (unstoppable) {
      isInterrupted = false;
      earlier = liveThreads();
    }
  }

  /** Whether the cell was interrupted. */
  boolean isInterrupted() {
    synchronized (unstoppable) {
      return isInterrupted;
    }
  }

  /** Says whether the value of the next snippet, if it is an expression, is a result. */
  void expectResult(boolean isLast) {
    wantsResult = isLast;
    result = null;
  }

  /** The last snippet was none whose value is shown. */
  void dropResult() {
    result = null;
  }

  /** What the last snippet has come to, by MIME type; null when that is nothing to show. */
  Map<String, Object> result() {
    return result;
  }

  /** Stops the snippet that runs and the threads that the cell has started, or keeps the next snippet from running. */
  void interrupt() {
    synchronized (unstoppable) {
      isInterrupted = true;
      if (snippet == null) return;
      setStopFlag(true);
      for (Thread thread : liveThreads()) if (!earlier.contains(thread)) stop(thread);
    }
  }

  @Override
  protected String invoke(Method doIt) throws Exception {
    Thread thread = new Thread(threads, () -> call(doIt), "main");
    thread.setContextClassLoader(doIt.getDeclaringClass().getClassLoader());
    failure = null;
    synchronized (unstoppable) {
      if (isInterrupted) throw new StoppedException();
      setStopFlag(false);
      snippet = thread;
      thread.start();
    }
    thread.join();
    synchronized (unstoppable) {
      snippet = null;
    }
    if (isInterrupted()) {
      endStragglers();
      throw new StoppedException();
    }
    if (failure instanceof Exception exception) throw exception;
    if (failure != null) throw new InvocationTargetException(failure);
    return "";
  }

  private void call(Method doIt) {
    try {
      doIt.setAccessible(true);
      Object value = doIt.invoke(null);
      if (wantsResult && value != null && isExpression(doIt)) result = Mime.bundle(value);
    } catch (InvocationTargetException thrown) {
      failure = thrown;
    } catch (Throwable thrown) {
      failure = new InvocationTargetException(thrown);
    }
  }

  /** JShell keeps the value of an expression in a field of a name like `$3`, or in none; that of a declaration in one of its name. */
  private static boolean isExpression(Method doIt) {
    return Arrays.stream(doIt.getDeclaringClass().getDeclaredFields()).allMatch(field -> field.getName().matches("\\$\\d+"));
  }

  private void stop(Thread thread) {
    try {
      if (threadStop != null) threadStop.invoke(thread);
      // Wakes it from what it waits for.
      thread.interrupt();
    } catch (ReflectiveOperationException refused) {
      throw new IllegalStateException(refused);
    }
  }

  private void setStopFlag(boolean value) {
    try {
      if (stopFlag != null) stopFlag.set(null, value);
    } catch (IllegalAccessException refused) {
      throw new IllegalStateException(refused);
    }
  }

  /** Threads that the cell has left behind meet the flag; those of earlier cells go on. */
  private void endStragglers() throws InterruptedException {
    for (Thread thread : liveThreads()) if (!earlier.contains(thread)) thread.join(STRAGGLER_MS);
    setStopFlag(false);
  }

  private List<Thread> liveThreads() {
    Thread[] live = new Thread[threads.activeCount() + 8];
    return Arrays.asList(live).subList(0, threads.enumerate(live));
  }
}
