import { type AwakeClock, awakeClock } from "./awake-clock.ts";
import { longTimeout } from "./long-timeout.ts";

/** Rejects with the signal's reason as soon as it aborts; otherwise settles as `promise` does. Leaves no listener behind. */
export async function withAbort<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  if (signal.aborted) {
    promise.catch(() => undefined); // nobody else will look at it any more
    throw signal.reason;
  }
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  using _listener = onAbort(signal, () => reject(signal.reason));
  return await Promise.race([promise, aborted]);
}

/** Rejects with what `late` makes when `promise` has not settled within `ms`; otherwise settles as it does. Leaves no timer behind. */
export async function withDeadline<T>(promise: Promise<T>, ms: number, late: () => Error): Promise<T> {
  const { promise: tooLate, reject } = Promise.withResolvers<never>();
  using _timer = longTimeout(() => reject(late()), ms);
  return await Promise.race([promise, tooLate]);
}

/**
 * A signal that aborts as `signal` does, or with a `TimeoutError` after `ms` of `clock`. Disposing leaves no timer and no listener
 * behind.
 */
export function limitedSignal(
  signal: AbortSignal,
  ms: number,
  clock: Pick<AwakeClock, "timeout"> = awakeClock,
): Disposable & { signal: AbortSignal } {
  const controller = new AbortController();
  const listener = onAbort(signal, () => controller.abort(signal.reason));
  const timer = clock.timeout(() => controller.abort(new DOMException("the time is over", "TimeoutError")), ms);
  const dispose = (): void => {
    listener[Symbol.dispose]();
    timer[Symbol.dispose]();
  };
  return { signal: controller.signal, [Symbol.dispose]: dispose };
}

/** Calls `listener` once when `signal` aborts (at once if it has); disposing takes the listener off again. */
export function onAbort(signal: AbortSignal, listener: () => void): Disposable {
  if (signal.aborted) {
    listener();
    return { [Symbol.dispose]: () => undefined };
  }
  signal.addEventListener("abort", listener, { once: true });
  return { [Symbol.dispose]: () => signal.removeEventListener("abort", listener) };
}

/** Resolves after `ms`, or rejects with the signal's reason. The timer does not keep the process alive. */
export async function delay(ms: number, signal?: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  using _timer = longTimeout(resolve, ms);
  await withAbort(promise, signal);
}
