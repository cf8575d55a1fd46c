package guestd.kernel;

/** A cell: its number, and its source. */
record Cell(int number, String source) {
  /** What errors call it. */
  String file() {
    return "cell-" + number + ".java";
  }

  /** The line (from 1) that the character at `offset` is on. */
  int lineAt(int offset) {
    int line = 1;
    for (int index = 0; index < Math.min(offset, source.length()); index++) if (source.charAt(index) == '\n') line++;
    return line;
  }
}
