package guestd.kernel;

import java.util.Map;

/** Writes JSON, in ASCII: strings, numbers, truth values and maps of them. */
final class Json {
  private Json() {}

  static String text(Object value) {
    StringBuilder text = new StringBuilder();
    write(text, value);
    return text.toString();
  }

  private static void write(StringBuilder text, Object value) {
    if (value instanceof Map<?, ?> map) writeMap(text, map);
    else if (value instanceof Number || value instanceof Boolean) text.append(value);
    else writeString(text, String.valueOf(value));
  }

  private static void writeMap(StringBuilder text, Map<?, ?> map) {
    String separator = "{";
    for (Map.Entry<?, ?> entry : map.entrySet()) {
      text.append(separator);
      writeString(text, String.valueOf(entry.getKey()));
      text.append(':');
      write(text, entry.getValue());
      separator = ",";
    }
    text.append(map.isEmpty() ? "{}" : "}");
  }

  private static void writeString(StringBuilder text, String value) {
    text.append('"');
    for (int index = 0; index < value.length(); index++) {
      char unit = value.charAt(index);
      if (unit == '"' || unit == '\\') text.append('\\').append(unit);
      else if (unit == '\n') text.append("\\n");
      else if (unit >= 0x20 && unit < 0x7f) text.append(unit);
      else escape(text, unit);
    }
    text.append('"');
  }

  private static void escape(StringBuilder text, char unit) {
    text.append("\\u");
    for (int shift = 12; shift >= 0; shift -= 4) text.append(Character.forDigit((unit >> shift) & 0xf, 16));
  }
}
