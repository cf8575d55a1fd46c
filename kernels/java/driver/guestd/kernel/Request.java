package guestd.kernel;

import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;

/** A request of guestd: its operation, its id, a text, and variables. */
record Request(String operation, String id, String text, byte[] variableBlock) {
  boolean is(String name) {
    return operation.equals(name);
  }

  /** The variables to set; those to take away have null. */
  Map<String, String> variables() {
    Map<String, String> variables = new LinkedHashMap<>();
    for (String entry : new String(variableBlock, StandardCharsets.UTF_8).split("\0")) {
      int end = entry.indexOf('=');
      if (end > 0) variables.put(entry.substring(0, end), entry.substring(end + 1));
      else if (!entry.isEmpty()) variables.put(entry, null);
    }
    return variables;
  }
}
