package guestd.kernel;

import java.lang.reflect.Method;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;
import jdk.jshell.JShell;
import jdk.jshell.Snippet;

/**
 * What JShell keeps of snippets that are done with: each that was ever run, the source that it has made of it, with the names of all
 * that was declared, and its class, which it shows to the compiler for each snippet to come. By that cells become slower and the
 * kernel larger, also where they declare the same names again. JShell has no word for forgetting, so what it keeps is opened.
 */
final class Leftovers {
  private final JShell shell;
  private final Places places;
  private final Collection<Snippet> snippets;
  private final List<Snippet> byNumber;
  /** By name: `$JShell$7`, with letters behind that when the snippet was made anew; one for several is `$JShell$7_9`. */
  private final Map<String, ?> sources;
  /** By name: `REPL.$JShell$7`, or a class within. */
  private final Map<String, ?> classes;
  private final Method className;

  private Leftovers(JShell shell, Places places) throws ReflectiveOperationException {
    this.shell = shell;
    this.places = places;
    Object maps = Opened.field(shell, "maps");
    snippets = Opened.field(maps, "snippets");
    byNumber = Opened.field(maps, "keyIndexToSnippet");
    sources = Opened.field(Opened.field(shell, "outerMap"), "classOuters");
    classes = Opened.field(Opened.field(Opened.field(shell, "taskFactory"), "fileManager"), "classObjects");
    className = Opened.method(Snippet.class, "className");
  }

  /** Those of a shell; null for a Java that keeps them in another way, whose cells become slower. */
  static Leftovers of(JShell shell, Places places) {
    try {
      return new Leftovers(shell, places);
    } catch (ReflectiveOperationException | RuntimeException otherwise) {
      return null;
    }
  }

  /** Forgets what no later snippet can name. What is loaded of it stays, and where it stands. */
  void forget() {
    try {
      Set<String> current = new HashSet<>();
      for (Snippet snippet : snippets) if (!isOver(snippet)) current.add((String) className.invoke(snippet));
      classes.keySet().removeIf(name -> !current.contains(Places.outermost(name)));
      for (String name : List.copyOf(sources.keySet())) forgetSource(name, current.contains(name));
    } catch (ReflectiveOperationException failure) {
      throw new IllegalStateException("this JShell keeps its snippets in another way", failure);
    }
    for (Snippet snippet : snippets) if (isOver(snippet)) places.forget(snippet);
    snippets.removeIf(this::isOver);
    byNumber.replaceAll(snippet -> snippet == null || isOver(snippet) ? null : snippet);
  }

  private boolean isOver(Snippet snippet) {
    return !snippet.kind().isPersistent() || !shell.status(snippet).isActive();
  }

  private void forgetSource(String name, boolean isCurrent) throws ReflectiveOperationException {
    if (name.contains("_")) return;
    // At once: when its snippet is replaced, JShell gives the name to another source for a moment.
    if (!places.isSettled(name)) settle(name, sources.get(name));
    if (!isCurrent) sources.remove(name);
  }

  /** Keeps of the source of a class which lines of the snippet its lines are. */
  private void settle(String name, Object source) throws ReflectiveOperationException {
    Method snippetAt = Opened.method(source.getClass(), "wrapLineToSnippet", int.class);
    Method lineAt = Opened.method(source.getClass(), "wrapLineToSnippetLine", int.class);
    String text = (String) Opened.method(source.getClass(), "wrapped").invoke(source);
    // Above are the names of all that was declared.
    int from = (int) text.substring(0, text.indexOf("class " + name)).lines().count();
    int[] lines = new int[(int) text.lines().count() - from];
    for (int index = 0; index < lines.length; index++) lines[index] = (int) lineAt.invoke(source, from + index);
    places.settle(name, (Snippet) snippetAt.invoke(source, from + 1), from + 1, lines);
  }
}
