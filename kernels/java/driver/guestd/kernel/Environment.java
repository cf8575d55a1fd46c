package guestd.kernel;

import java.lang.reflect.Field;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * The variables of the kernel, as `System.getenv` and `ProcessBuilder.environment` have them, and as system properties. Java takes
 * its environment for fixed: the map behind it is opened (`--add-opens` in java.options).
 */
final class Environment {
  /** What a change has replaced. */
  private record Before(String name, String variable, String property) {}

  private final Map<String, String> variables;
  private List<Before> changed = List.of();

  Environment() {
    variables = openVariables();
    // A property of Java itself is not to be had by that name.
    variables.forEach((name, value) -> System.getProperties().putIfAbsent(name, value));
  }

  /** Takes variables for good. */
  void adopt(Map<String, String> values) {
    values.forEach(this::set);
  }

  /** Takes variables until `restore`. */
  void borrow(Map<String, String> values) {
    changed = new ArrayList<>();
    values.forEach((name, value) -> {
      changed.add(new Before(name, variables.get(name), System.getProperty(name)));
      set(name, value);
    });
  }

  /** Puts back what `borrow` has replaced. */
  void restore() {
    for (Before before : changed) {
      setVariable(before.name, before.variable);
      setProperty(before.name, before.property);
    }
    changed = List.of();
  }

  private void set(String name, String value) {
    setVariable(name, value);
    setProperty(name, value);
  }

  private void setVariable(String name, String value) {
    if (value == null) variables.remove(name);
    else variables.put(name, value);
  }

  private static void setProperty(String name, String value) {
    if (value == null) System.clearProperty(name);
    else System.setProperty(name, value);
  }

  @SuppressWarnings("unchecked")
  private static Map<String, String> openVariables() {
    try {
      Field seen = Class.forName("java.lang.ProcessEnvironment").getDeclaredField("theUnmodifiableEnvironment");
      seen.setAccessible(true);
      Object unmodifiable = seen.get(null);
      Field behind = unmodifiable.getClass().getDeclaredField("m");
      behind.setAccessible(true);
      return (Map<String, String>) behind.get(unmodifiable);
    } catch (ReflectiveOperationException failure) {
      throw new IllegalStateException("this Java keeps its environment in another way", failure);
    }
  }
}
