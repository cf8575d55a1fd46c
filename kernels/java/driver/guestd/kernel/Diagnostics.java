package guestd.kernel;

import java.util.List;
import java.util.Locale;
import jdk.jshell.Diag;
import jdk.jshell.JShell;
import jdk.jshell.Snippet;

/** What the compiler says of a snippet, as `javac` prints it, with the lines of the cell. */
final class Diagnostics {
  private Diagnostics() {}

  static CellError error(JShell shell, Snippet snippet, Place place) {
    List<Diag> errors = shell.diagnostics(snippet).filter(Diag::isError).toList();
    if (errors.isEmpty()) return new CellError("CompilationException", "rejected", "error: rejected");
    StringBuilder text = new StringBuilder();
    for (Diag error : errors) text.append(text.isEmpty() ? "" : "\n").append(describe(error, place));
    String first = errors.get(0).getMessage(Locale.ENGLISH).lines().findFirst().orElse("");
    return new CellError("CompilationException", first, text.toString());
  }

  private static String describe(Diag error, Place place) {
    String source = place.cell().source();
    int at = (int) Math.min(place.offset() + Math.max(0, error.getPosition()), source.length());
    int lineStart = source.lastIndexOf('\n', at - 1) + 1;
    int lineEnd = source.indexOf('\n', at);
    String line = source.substring(lineStart, lineEnd < 0 ? source.length() : lineEnd);
    String[] message = error.getMessage(Locale.ENGLISH).split("\n", 2);
    String head = place.cell().file() + ":" + place.cell().lineAt(at) + ": error: " + message[0];
    // What explains further is behind the line, as javac has it.
    String more = message.length > 1 ? "\n" + message[1] : "";
    return head + "\n" + line + "\n" + " ".repeat(at - lineStart) + "^" + more;
  }
}
