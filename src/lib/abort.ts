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
