package guestd.kernel;

import java.util.HashMap;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import jdk.jshell.Snippet;

/** Where in which cell the code of snippets stands, also of those that JShell has forgotten: it may still be run, by a thread or a lambda. */
final class Places {
  /** The class that JShell makes of a snippet, and what is within. */
  private static final Pattern CLASS = Pattern.compile("REPL\\.(\\$JShell\\$\\w+)(?:\\$(.*))?");

  /** The lines of a class, from its line `from` on, in a cell. */
  private record Settled(String file, int from, int[] lines) {
    String at(int line) {
      int index = Math.max(0, Math.min(line - from, lines.length - 1));
      return file + ":" + lines[index];
    }
  }

  private final Map<Snippet, Place> bySnippet = new HashMap<>();
  /** JShell calls the file of a snippet that it knows `#` and its id; one that replaces another takes over its id. */
  private final Map<String, Place> byFile = new HashMap<>();
  private final Map<String, Settled> byClass = new HashMap<>();

  /** A snippet stands there. */
  void note(Snippet snippet, Place place) {
    bySnippet.put(snippet, place);
    byFile.put("#" + snippet.id(), place);
  }

  /** A snippet is over. Where its classes stand is settled. */
  void forget(Snippet snippet) {
    if (byFile.get("#" + snippet.id()) == bySnippet.remove(snippet)) byFile.remove("#" + snippet.id());
  }

  boolean isSettled(String name) {
    return byClass.containsKey(name);
  }

  /** The class of a snippet has these lines in the snippet (from 0), from its line `from` (from 1) on. */
  void settle(String name, Snippet snippet, int from, int[] lines) {
    Place place = bySnippet.get(snippet);
    if (place == null) return;
    int first = place.line(1);
    for (int index = 0; index < lines.length; index++) lines[index] += first;
    byClass.put(name, new Settled(place.cell().file(), from, lines));
  }

  /** The outermost class of one that JShell has made, without its package. */
  static String outermost(String name) {
    Matcher parts = CLASS.matcher(name);
    return parts.matches() ? parts.group(1) : name;
  }

  /** A frame as Java tells it, with the line of the cell if it is of one. */
  String describe(StackTraceElement frame) {
    Place place = byFile.get(frame.getFileName());
    if (place != null) return describe(frame.getClassName(), frame.getMethodName(), place.cell().file() + ":" + place.line(frame.getLineNumber()));
    Matcher parts = CLASS.matcher(frame.getClassName());
    Settled settled = parts.matches() ? byClass.get(parts.group(1)) : null;
    if (settled == null) return frame.toString();
    String method = frame.getMethodName().equals("do_it$") ? "" : frame.getMethodName();
    return describe(parts.group(2) == null ? "" : parts.group(2), method, settled.at(frame.getLineNumber()));
  }

  private static String describe(String type, String method, String where) {
    String name = type.isEmpty() ? method : type + "." + method;
    return name.isEmpty() ? where : name + "(" + where + ")";
  }
}
