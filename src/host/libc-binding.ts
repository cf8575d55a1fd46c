import { constants } from "node:os";
import { getSystemErrorMessage } from "node:util";
import koffi from "koffi";

/* How calls of the C library are bound, and how their failures are told. This is the only file that imports koffi. */

const library = koffi.load("libc.so.6");
/** koffi throws when more than 256 calls are under way. */
const MAX_POOL_CALLS = 64;

/** A call that is made on this thread. */
export type IntCall<A extends unknown[]> = (...args: A) => number;

/** A call that may also be made on a thread of libuv's pool. */
export interface PoolCall<A extends unknown[]> {
  (...args: A): number;
  async(...args: [...A, (error: Error | null, result: number) => void]): void;
}

/** The function of the C library that `signature`, in C's words, declares. */
export function bind<F>(signature: string): F {
  return library.func(signature) as F;
}

/** The same of a library of ours. @throws when there is none */
export function bindFrom<F>(libraryPath: string, signature: string): F {
  return koffi.load(libraryPath).func(signature) as F;
}

/** A system error as Node makes them: `code` is the symbolic name, `errno` negative. */
export function systemError(errno: number, call: string): Error {
  const code = Object.entries(constants.errno).find(([, value]) => value === errno)?.[0] ?? `E${errno}`;
  const message = `${code}: ${getSystemErrorMessage(-errno)}, ${call}`;
  return Object.assign(new Error(message), { code, errno: -errno, syscall: call });
}

/** The result of a call that has not failed. @throws the system error */
export function check(result: number, call: string): number {
  if (result < 0) throw systemError(koffi.errno(), call);
  return result;
}

/** One call that is still to be made. */
export interface LibraryCall<T> {
  name: string;
  now: () => number;
  /** Also keeps the arguments alive: koffi has pointers into their buffers and does not. */
  inPool: (done: (error: Error | null, result: number) => void) => void;
  read: (result: number) => T;
}

/** `call` with `args`; `read` makes of a good result what callers want. */
export function libraryCall<A extends unknown[]>(name: string, call: PoolCall<A>, args: A): LibraryCall<void>;
export function libraryCall<A extends unknown[], T>(
  name: string,
  call: PoolCall<A>,
  args: A,
  read: (result: number) => T,
): LibraryCall<T>;
export function libraryCall<A extends unknown[]>(
  name: string,
  call: PoolCall<A>,
  args: A,
  read: (result: number) => unknown = () => undefined,
): LibraryCall<unknown> {
  return { name, now: () => call(...args), inPool: (done) => call.async(...args, done), read };
}

/** Makes a call on this thread. @throws the system error it ends with */
export function callNow<T>(call: LibraryCall<T>): T {
  return call.read(check(call.now(), call.name));
}

const callsInPool = new Set<LibraryCall<unknown>>();
const waitingCalls: (() => void)[] = [];

/** Makes a call on a thread of the pool. @throws the system error it ends with */
export async function callInPool<T>(call: LibraryCall<T>): Promise<T> {
  if (callsInPool.size >= MAX_POOL_CALLS) {
    await new Promise<void>((resolve) => {
      waitingCalls.push(resolve);
    });
  }
  callsInPool.add(call);
  try {
    const result = await new Promise<number>((resolve, reject) => {
      call.inPool((error, value) => {
        if (error) reject(error);
        // koffi hands over the errno of the other thread for the time of this callback.
        else if (value < 0) reject(systemError(koffi.errno(), call.name));
        else resolve(value);
      });
    });
    return call.read(result);
  } finally {
    callsInPool.delete(call);
    waitingCalls.shift()?.();
  }
}
