package guestd.kernel;

import java.lang.reflect.Field;
import java.lang.reflect.Method;

/** What belongs to JShell alone, and is opened to us (`--add-opens` in java.options). */
final class Opened {
  private Opened() {}

  /** The value of a field, which its user knows the type of. */
  @SuppressWarnings("unchecked")
  static <T> T field(Object owner, String name) throws ReflectiveOperationException {
    Field field = owner.getClass().getDeclaredField(name);
    field.setAccessible(true);
    return (T) field.get(owner);
  }

  /** A method, of a class or one that it extends, ready to be called. */
  static Method method(Class<?> owner, String name, Class<?>... parameters) throws ReflectiveOperationException {
    for (Class<?> type = owner; type != null; type = type.getSuperclass()) {
      try {
        Method method = type.getDeclaredMethod(name, parameters);
        method.setAccessible(true);
        return method;
      } catch (NoSuchMethodException inherited) {
        continue;
      }
    }
    throw new NoSuchMethodException(name);
  }
}
