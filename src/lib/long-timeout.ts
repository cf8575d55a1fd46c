import { awakeClock } from "./awake-clock.ts";

/**
 * A timer of any length that does not keep the process alive, and does not count time in which the process was stopped. Disposing
 * stops it. What only looks at something now and then is better off with one of Node's: this one wakes up a few times on its way.
 */
export function longTimeout(callback: () => void, delayMs: number): Disposable {
  return awakeClock.timeout(callback, delayMs);
}
