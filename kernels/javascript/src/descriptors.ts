import { closeSync, openSync, writeSync } from "node:fs";

/** Far above what user code gets by opening files or closes by habit. */
const FIRST_PRIVATE = 200;
const RETRY_MS = 1;

/** The private descriptors of the kernel; `stdout` and `stderr` lead to the pipes behind 1 and 2. */
export interface Descriptors {
  requests: number;
  events: number;
  stdout: number;
  stderr: number;
}

/** Moves the protocol out of the user's way and makes private copies of 1 and 2, descriptions of their own where possible. */
export function claimDescriptors(): Descriptors {
  const fillers: number[] = [];
  do fillers.push(openSync("/dev/null", "r"));
  while ((fillers.at(-1) ?? FIRST_PRIVATE) < FIRST_PRIVATE - 1);
  const claimed = { requests: copy(3, "r"), events: copy(4, "w"), stdout: copy(1, "w"), stderr: copy(2, "w") };
  for (const filler of fillers) closeSync(filler);
  if (claimed.requests !== 3) closeSync(3);
  if (claimed.events !== 4) closeSync(4);
  return claimed;
}

/** Another description of the same pipe; the descriptor itself where it cannot be opened by path. */
function copy(descriptor: number, flags: "r" | "w"): number {
  try {
    return openSync(`/proc/self/fd/${descriptor}`, flags);
  } catch {
    return descriptor; // a socket, or a pipe of somebody else
  }
}

const pause = new Int32Array(new SharedArrayBuffer(4));

/** Writes all of `content`, also when a child has left a shared description non-blocking; a pipe without a reader swallows it. */
export function writeAll(descriptor: number, content: string | Uint8Array): void {
  let rest: Uint8Array = typeof content === "string" ? Buffer.from(content) : content;
  while (rest.byteLength > 0) {
    try {
      rest = rest.subarray(writeSync(descriptor, rest));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "EPIPE") return;
      if (code !== "EAGAIN") throw error;
      Atomics.wait(pause, 0, 0, RETRY_MS);
    }
  }
}
