package guestd.kernel;

import java.util.Map;

/** What cells can call without an import. */
public final class Notebook {
  /** Where the display of the cell that runs goes. */
  static volatile Displays displays;

  private Notebook() {}

  /** Takes the forms of a value, by MIME type. */
  interface Displays {
    void show(Map<String, Object> forms);
  }

  /** Shows a value in all its forms. */
  public static void display(Object value) throws Exception {
    displays.show(Mime.bundle(value));
  }

  /** Shows a value, or a text, in one form: `display("<b>bold</b>", "text/html")`. */
  public static void display(Object value, String type) throws Exception {
    displays.show(Mime.bundle(value, type));
  }

  /** `System.out.printf`. */
  public static void printf(String format, Object... values) {
    System.out.printf(format, values);
  }
}
