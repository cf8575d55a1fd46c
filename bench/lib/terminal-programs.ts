/** The same on both sides. */
export const TERMINAL_SIZE = { cols: 80, rows: 24 };

/** Every key is echoed by the terminal and read by the program; it says when that begins. */
export const ECHO_PROGRAM = ["/bin/sh", "-c", "stty -icanon min 1; echo ready; exec cat >/dev/null"] as const;

/** Lines of text, which is what terminals are made for; the terminal makes `\r\n` of each `\n`. */
export function textProgram(bytes: number): [string, ...string[]] {
  return ["/bin/sh", "-c", `yes ${"terminal ".repeat(8)}| head -c ${bytes}`];
}
