package guestd.kernel;

import java.lang.reflect.Field;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import jdk.jshell.JShell;
import jdk.jshell.Snippet;

/**
 * What the compiler has made of snippets. JShell keeps all of it and shows it to the compiler for each snippet to come, by which
 * every cell would slow down all later ones. It has no word for forgetting: what it keeps is opened (`--add-opens` in java.options).
 */
final class GeneratedClasses {
  private final Set<String> names;

  GeneratedClasses(JShell shell) {
    names = openNames(shell);
  }

  /** Forgets those of a snippet that no later one can name. What is loaded of them stays. */
  void forget(Snippet snippet) {
    String own = "REPL.$JShell$" + snippet.id();
    names.removeIf(name -> name.startsWith(own) && !name.substring(own.length()).matches("\\d.*"));
  }

  @SuppressWarnings("unchecked")
  private static Set<String> openNames(JShell shell) {
    try {
      Object files = field(field(shell, "taskFactory"), "fileManager");
      return ((Map<String, ?>) field(files, "classObjects")).keySet();
    } catch (ReflectiveOperationException | RuntimeException otherwise) {
      return new HashSet<>(); // a Java that keeps them in another way is slower after many cells
    }
  }

  private static Object field(Object owner, String name) throws ReflectiveOperationException {
    Field field = owner.getClass().getDeclaredField(name);
    field.setAccessible(true);
    return field.get(owner);
  }
}
