package guestd.kernel;

/** Where in a cell a snippet begins, as an offset. */
record Place(Cell cell, int offset) {
  /** The line of the cell that line `line` (from 1) of the snippet is. */
  int line(int line) {
    return cell.lineAt(offset) + line - 1;
  }
}
