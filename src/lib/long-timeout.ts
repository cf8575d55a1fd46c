/** The longest delay a timer of Node's takes; a longer one would fire at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** A timer of any length that does not keep the process alive. Disposing stops it. */
export function longTimeout(callback: () => void, delayMs: number): Disposable {
  let timer: NodeJS.Timeout | undefined;
  const arm = (leftMs: number): void => {
    const step = Math.min(leftMs, LONGEST_TIMER_MS);
    timer = setTimeout(() => (leftMs > step ? arm(leftMs - step) : callback()), step).unref();
  };
  arm(delayMs);
  return { [Symbol.dispose]: () => clearTimeout(timer) };
}
