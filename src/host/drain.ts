import { delay } from "../lib/abort.ts";
import type { OutputPipe } from "./output-pipe.ts";

/** After this long without a byte a pipe that somebody else still holds is left alone. */
const QUIET_MS = 50;
/** However much whoever else holds the pipes goes on writing. */
const MAX_DRAIN_MS = 1000;

/**
 * Waits, after a program has ended, until what it wrote is delivered: all that is in the pipes at this moment, however long
 * that takes, then whatever keeps coming until {@link QUIET_MS} of silence, {@link MAX_DRAIN_MS} at most.
 * A clock alone would lose output on a busy machine, so an empty pipe is seen empty, not assumed to be.
 * @returns whether all pipes were closed by all their writers
 */
export async function drainAfterExit(outputs: readonly OutputPipe[]): Promise<boolean> {
  const owed = outputs.map((output) => output.bytesRead + output.unreadBytes());
  const began = performance.now();
  const allEnded = Promise.all(outputs.map((output) => output.ended)).then(() => true);
  const bytesDelivered = (): number => outputs.reduce((sum, output) => sum + output.bytesRead, 0);
  let before = bytesDelivered();
  for (;;) {
    if (await Promise.race([allEnded, delay(QUIET_MS).then(() => false)])) return true;
    const delivered = bytesDelivered();
    const isOwedDelivered = outputs.every((output, index) => output.isEnded || output.bytesRead >= (owed[index] ?? 0));
    const isQuiet = delivered === before && outputs.every((output) => output.unreadBytes() === 0);
    before = delivered;
    if (isOwedDelivered && (isQuiet || performance.now() - began > MAX_DRAIN_MS)) return false;
  }
}
