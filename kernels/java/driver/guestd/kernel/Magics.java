package guestd.kernel;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import jdk.jshell.JShell;

/** Lines like `%classpath lib/*.jar` between statements, where no Java can be. */
final class Magics {
  /** A line behind blanks and comments: its name, and the words after that. */
  private static final Pattern LINE = Pattern.compile("(?:\\s|//[^\n]*\n|/\\*.*?\\*/)*+%(\\w+)([^\n]*)\n?", Pattern.DOTALL);

  /** The beginning of a line that is one, whatever comes before it. What follows may look like a comment: `lib/*.jar`. */
  private static final Pattern BEGINNING = Pattern.compile("^[ \\t]*%(?:classpath|jars|maven)\\b", Pattern.MULTILINE);

  private final JShell shell;

  Magics(JShell shell) {
    this.shell = shell;
  }

  /** Does what the line that `source` begins with says. Returns where it ends; 0 when there is none. */
  int run(String source) throws CellError {
    Matcher line = LINE.matcher(source);
    if (!line.lookingAt()) return 0;
    String name = line.group(1);
    if (!name.equals("classpath") && !name.equals("jars")) throw unknown(name);
    for (String word : line.group(2).strip().split("[:\\s]+")) for (Path path : find(name, word)) shell.addToClasspath(path.toString());
    return line.end();
  }

  /** Where the next such line seems to begin; it may be one of a text block. The end where there is none. */
  static int next(String source) {
    Matcher beginning = BEGINNING.matcher(source);
    return beginning.find() ? beginning.start() : source.length();
  }

  private static CellError unknown(String name) {
    String message = "%" + name + " is not known here: there are %classpath and %jars, for archives and folders on this machine";
    return new CellError("UndefinedMagicException", message, "UndefinedMagicException: " + message);
  }

  /** The archives and folders that a word names: a path, whose last part may be a pattern. */
  private static List<Path> find(String magic, String word) throws CellError {
    List<Path> found = new ArrayList<>();
    Path path = Path.of(word).toAbsolutePath();
    if (Files.exists(path)) found.add(path);
    else {
      try (DirectoryStream<Path> matching = Files.newDirectoryStream(path.getParent(), path.getFileName().toString())) {
        matching.forEach(found::add);
      } catch (IOException unreadable) {
        found.clear();
      }
    }
    if (!found.isEmpty()) return found;
    String message = word.isEmpty() ? "%" + magic + " needs a path" : "%" + magic + ": there is no " + path;
    throw new CellError("FileNotFoundException", message, "FileNotFoundException: " + message);
  }
}
