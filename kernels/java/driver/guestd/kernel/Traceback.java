package guestd.kernel;

import java.util.stream.Collectors;
import jdk.jshell.DeclarationSnippet;
import jdk.jshell.EvalException;
import jdk.jshell.JShell;
import jdk.jshell.JShellException;
import jdk.jshell.UnresolvedReferenceException;

/** Tells exceptions as Java does, with the cells' lines where JShell has its snippets, and without what is not the user's. */
final class Traceback {
  /** Of an endless recursion nobody reads all. */
  private static final int MAX_FRAMES = 50;

  private final JShell shell;
  private final Places places;

  Traceback(JShell shell, Places places) {
    this.shell = shell;
    this.places = places;
  }

  CellError error(JShellException thrown) {
    if (thrown instanceof UnresolvedReferenceException unresolved) return unresolved(unresolved);
    EvalException exception = (EvalException) thrown;
    StringBuilder text = new StringBuilder(head(exception));
    appendFrames(text, exception);
    for (Throwable cause = exception.getCause(); cause != null; cause = cause.getCause()) {
      text.append("\nCaused by: ").append(head(cause));
      appendFrames(text, cause);
    }
    String name = nameOf(exception);
    String value = exception.getMessage() == null ? "" : exception.getMessage();
    return new CellError(name.substring(name.lastIndexOf('.') + 1), value, text.toString());
  }

  private CellError unresolved(UnresolvedReferenceException thrown) {
    DeclarationSnippet snippet = thrown.getSnippet();
    String missing = shell.unresolvedDependencies(snippet).collect(Collectors.joining(", "));
    String message = snippet.name() + " needs what is not declared: " + missing;
    StringBuilder text = new StringBuilder("UnresolvedReferenceException: ").append(message);
    appendFrames(text, thrown);
    return new CellError("UnresolvedReferenceException", message, text.toString());
  }

  private static String head(Throwable thrown) {
    String name = nameOf(thrown);
    return thrown.getMessage() == null ? name : name + ": " + thrown.getMessage();
  }

  /** The name of its class, of one that a cell has declared as it is there. */
  private static String nameOf(Throwable thrown) {
    String name = thrown instanceof EvalException exception ? exception.getExceptionClassName() : thrown.getClass().getName();
    return name.replaceFirst("^REPL\\.\\$JShell\\$\\w+\\$", "");
  }

  private void appendFrames(StringBuilder text, Throwable thrown) {
    StackTraceElement[] frames = thrown.getStackTrace();
    int end = 0;
    while (end < frames.length && !isOurs(frames[end])) end++;
    int shown = Math.min(end, MAX_FRAMES);
    for (int index = 0; index < shown; index++) text.append("\n\tat ").append(places.describe(frames[index]));
    if (shown < end) text.append("\n\t... ").append(end - shown).append(" more");
  }

  private static boolean isOurs(StackTraceElement frame) {
    String name = frame.getClassName();
    return name.startsWith("guestd.kernel.SnippetRunner")
        || name.startsWith("jdk.internal.reflect.")
        || name.startsWith("java.lang.reflect.Method");
  }
}
