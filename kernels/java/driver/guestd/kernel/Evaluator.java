package guestd.kernel;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import jdk.jshell.DeclarationSnippet;
import jdk.jshell.JShell;
import jdk.jshell.Snippet;
import jdk.jshell.Snippet.Status;
import jdk.jshell.Snippet.SubKind;
import jdk.jshell.SnippetEvent;
import jdk.jshell.SourceCodeAnalysis;
import jdk.jshell.SourceCodeAnalysis.Completeness;
import jdk.jshell.SourceCodeAnalysis.CompletionInfo;
import jdk.jshell.spi.ExecutionControl;
import jdk.jshell.spi.ExecutionControlProvider;
import jdk.jshell.spi.ExecutionEnv;

/** Runs cells in JShell: snippet by snippet, until one fails. */
final class Evaluator {
  private final SnippetRunner runner;
  private final Interrupts interrupts;
  private final JShell shell;
  private final SourceCodeAnalysis analysis;
  private final Places places = new Places();
  private final Traceback traceback;
  private final Magics magics;
  private final Imports imports;
  /** null where JShell keeps its snippets in a way that is not known: cells then become slower. */
  private Leftovers leftovers;

  Evaluator(Channel channel) {
    runner = new SnippetRunner(channel);
    interrupts = new Interrupts(runner::interrupt);
    // Nothing looks for annotation processors, which takes time.
    shell = JShell.builder().executionEngine(new Here(runner), Map.of()).compilerOptions("-proc:none").build();
    analysis = shell.sourceCodeAnalysis();
    traceback = new Traceback(shell, places);
    magics = new Magics(shell);
    imports = new Imports(shell);
    leftovers = Leftovers.of(shell, places);
    shell.addToClasspath(System.getProperty("java.class.path"));
    // The first snippet takes long: better before somebody waits for it.
    for (SnippetEvent event : shell.eval("1 + 1")) dropValue(event.snippet());
  }

  /** Runs a cell. Returns what its last expression has come to, by MIME type; null when that is nothing to show. */
  Map<String, Object> run(Cell cell) throws CellError {
    runner.begin();
    try {
      imports.bring(cell.source());
      Map<String, Object> result = runSnippets(cell);
      checkInterrupted();
      return result;
    } catch (CellError error) {
      checkInterrupted();
      throw error;
    } finally {
      forgetLeftovers();
    }
  }

  private void forgetLeftovers() {
    try {
      if (leftovers != null) leftovers.forget();
    } catch (RuntimeException otherwise) {
      leftovers = null;
    }
  }

  /** Returns when every interrupt that was sent before has been heard. */
  void hearInterrupts() {
    interrupts.settle();
  }

  /** An interrupt may have ended a program that the cell waited for, and with that the cell, before it is heard here. */
  private void checkInterrupted() throws CellError {
    hearInterrupts();
    if (runner.isInterrupted()) throw CellError.interrupted();
  }

  private Map<String, Object> runSnippets(Cell cell) throws CellError {
    List<Snippet> unresolved = new ArrayList<>();
    String rest = cell.source();
    while (true) {
      if (runner.isInterrupted()) throw CellError.interrupted();
      int at = cell.source().length() - rest.length();
      int behindMagic = magics.run(rest);
      if (behindMagic > 0) {
        rest = rest.substring(behindMagic);
        continue;
      }
      // JShell counts the lines of a snippet from its first that is not blank.
      String snippets = rest.stripLeading();
      at += rest.length() - snippets.length();
      int end = endOfSnippets(snippets);
      CompletionInfo info = analysis.analyzeCompletion(snippets.substring(0, end));
      if (info.completeness() == Completeness.DEFINITELY_INCOMPLETE) throw incomplete(cell, at, snippets);
      if (info.completeness() == Completeness.EMPTY) break;
      // What cannot be read is given to JShell as it is, for what the compiler says of it.
      boolean isReadable = info.completeness() != Completeness.UNKNOWN;
      String source = isReadable ? info.source() : snippets;
      rest = isReadable ? info.remaining() + snippets.substring(end) : "";
      runner.expectResult(isEmpty(rest));
      unresolved.addAll(runSnippet(new Place(cell, at), source));
    }
    checkResolved(unresolved);
    return runner.result();
  }

  /** Where the snippets end that `source` begins with: at the next magic, unless that is in the middle of one. */
  private int endOfSnippets(String source) {
    int end = Magics.next(source);
    if (end == source.length()) return end;
    boolean isWithin = analysis.analyzeCompletion(source.substring(0, end)).completeness() == Completeness.DEFINITELY_INCOMPLETE;
    return isWithin ? source.length() : end;
  }

  private boolean isEmpty(String source) {
    return source.isBlank() || analysis.analyzeCompletion(source).completeness() == Completeness.EMPTY;
  }

  /** Runs one snippet, or several that are one to the parser, and returns those that lack something yet. */
  private List<Snippet> runSnippet(Place place, String source) throws CellError {
    List<Snippet> unresolved = new ArrayList<>();
    for (SnippetEvent event : shell.eval(source)) {
      // Others are of snippets that this one replaces, or that depend on it.
      if (event.causeSnippet() != null) continue;
      Snippet snippet = event.snippet();
      if (event.status() == Status.REJECTED) throw Diagnostics.error(shell, snippet, place);
      places.note(snippet, place);
      dropValue(snippet);
      if (event.exception() != null) throw traceback.error(event.exception());
      if (event.status() == Status.RECOVERABLE_NOT_DEFINED) unresolved.add(snippet);
      if (snippet.subKind() == SubKind.ASSIGNMENT_SUBKIND) runner.dropResult();
    }
    return unresolved;
  }

  /** JShell would keep the value of an expression as `$3`, and read the names of all that it keeps for each snippet to come. */
  private void dropValue(Snippet snippet) {
    if (snippet.subKind() == SubKind.TEMP_VAR_EXPRESSION_SUBKIND) shell.drop(snippet);
  }

  /** What was declared before the things it needs is fine when they have come by the end of the cell. */
  private void checkResolved(List<Snippet> snippets) throws CellError {
    for (Snippet snippet : snippets) {
      if (shell.status(snippet) != Status.RECOVERABLE_NOT_DEFINED) continue;
      DeclarationSnippet declaration = (DeclarationSnippet) snippet;
      String missing = shell.unresolvedDependencies(declaration).collect(Collectors.joining(", "));
      String message = declaration.name() + " cannot be used until " + missing + " is declared";
      throw new CellError("CompilationException", message, "error: " + message);
    }
  }

  private static CellError incomplete(Cell cell, int at, String rest) {
    int line = cell.lineAt(at);
    String message = "the source ends before what begins in line " + line + " does";
    return new CellError(
        "IncompleteSourceException", message, cell.file() + ":" + line + ": error: " + message + "\n" + rest.stripTrailing());
  }

  /** Makes JShell run snippets in this process. */
  private record Here(ExecutionControl control) implements ExecutionControlProvider {
    @Override
    public String name() {
      return "here";
    }

    @Override
    public ExecutionControl generate(ExecutionEnv environment, Map<String, String> parameters) throws Throwable {
      ((SnippetRunner) control).prepare();
      return control;
    }
  }
}
