package guestd.kernel;

import java.lang.reflect.Modifier;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import jdk.jshell.JShell;

/**
 * What cells can name without an import. The compiler looks through every class of what is imported, for each snippet (more than half
 * of its time with all of these): so a package is imported when a cell has the first word that is a name of it.
 */
final class Imports {
  /** What may be a class of Java, and the methods of Notebook. */
  private static final Pattern NAME = Pattern.compile("\\b(?:[A-Z]\\w*|display|printf)\\b");

  private final JShell shell;
  private final List<String> packages =
      new ArrayList<>(
          List.of(
              "java.io",
              "java.math",
              "java.net",
              "java.nio.file",
              "java.util",
              "java.util.concurrent",
              "java.util.function",
              "java.util.prefs",
              "java.util.regex",
              "java.util.stream"));
  private final Set<String> known = new HashSet<>();

  Imports(JShell shell) {
    this.shell = shell;
  }

  /** Imports what `source` needs, and what it only mentions. */
  void bring(String source) {
    Matcher name = NAME.matcher(source);
    while (name.find()) if (known.add(name.group())) bringName(name.group());
  }

  private void bringName(String name) {
    if (Character.isLowerCase(name.charAt(0))) {
      shell.eval("import static guestd.kernel.Notebook.*;");
      return;
    }
    for (String place : List.copyOf(packages)) {
      if (!isPublic(place + "." + name)) continue;
      shell.eval("import " + place + ".*;");
      packages.remove(place);
    }
  }

  private static boolean isPublic(String name) {
    try {
      return Modifier.isPublic(Class.forName(name, false, null).getModifiers());
    } catch (ClassNotFoundException absent) {
      return false;
    }
  }
}
