package guestd.kernel;

/** What ends a cell before its time: name, value and traceback as the client gets them. */
final class CellError extends Exception {
  private static final long serialVersionUID = 1;
  private final String name;
  private final String traceback;

  CellError(String name, String value, String traceback) {
    super(value, null, false, false);
    this.name = name;
    this.traceback = traceback;
  }

  static CellError interrupted() {
    return new CellError("KeyboardInterrupt", "", "KeyboardInterrupt");
  }

  boolean isInterrupt() {
    return name.equals("KeyboardInterrupt");
  }

  String name() {
    return name;
  }

  String value() {
    return getMessage();
  }

  String traceback() {
    return traceback;
  }
}
