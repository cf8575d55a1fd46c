package guestd.kernel;

import java.awt.image.RenderedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.reflect.Method;
import java.util.Arrays;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.Map;
import javax.imageio.ImageIO;

/** How a value is shown: its forms by MIME type. */
final class Mime {
  private static final Map<String, String> METHODS =
      Map.of("toHtml", "text/html", "toMarkdown", "text/markdown", "toSvg", "image/svg+xml", "toLatex", "text/latex");

  private Mime() {}

  /** All forms of a value. Runs code of the user, which may throw anything. */
  static Map<String, Object> bundle(Object value) throws Exception {
    Map<String, Object> forms = new LinkedHashMap<>();
    forms.put("text/plain", text(value));
    if (value == null || value.getClass().getName().startsWith("java.lang.")) return forms;
    // By name first: what draws is only loaded by who has an image.
    if (value.getClass().getName().startsWith("java.awt.image.")) putImage(forms, value);
    for (Map.Entry<String, String> entry : METHODS.entrySet()) putForm(forms, value, entry.getKey(), entry.getValue());
    return forms;
  }

  /** One form, given as text, or as a value that has it. */
  static Map<String, Object> bundle(Object value, String type) throws Exception {
    Object form = bundle(value).get(type);
    return Map.of(type, form == null ? text(value) : form);
  }

  /** The text of a value; that of an array has its members. */
  private static String text(Object value) {
    if (value == null || !value.getClass().isArray()) return String.valueOf(String.valueOf(value));
    String inBrackets = Arrays.deepToString(new Object[] {value});
    return inBrackets.substring(1, inBrackets.length() - 1);
  }

  private static void putForm(Map<String, Object> forms, Object value, String method, String type) throws Exception {
    Method found;
    try {
      found = value.getClass().getMethod(method);
      found.setAccessible(true);
    } catch (ReflectiveOperationException | RuntimeException none) {
      return; // it has no such form, or keeps it to itself
    }
    if (found.getReturnType() == String.class && found.invoke(value) instanceof String form) forms.put(type, form);
  }

  private static void putImage(Map<String, Object> forms, Object value) throws IOException {
    if (!(value instanceof RenderedImage image)) return;
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    if (ImageIO.write(image, "png", bytes)) forms.put("image/png", Base64.getEncoder().encodeToString(bytes.toByteArray()));
  }
}
