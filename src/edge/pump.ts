import type { ServerResponse } from "node:http";
import { giveFrame } from "../lib/frame-pool.ts";

export interface PumpOptions {
  status?: number;
  headers: Readonly<Record<string, string>>;
  /** Written after this long of silence, once the first frame is out (or from the start, for headers that were sent already). */
  keepalive?: { bytes: Buffer; everyMs: number; isFromStart?: boolean };
  /** Asked for after the last frame; their names are in the `Trailer` header. */
  trailers?: () => Record<string, string>;
  /** Called when a frame was written; it may be called again. */
  onFirst?: () => void;
}

/**
 * Writes frames to a client at the pace it reads, and ends the answer after the last one. The next frame is pulled when the
 * one before was handed to the socket; a frame's memory is given back when the system has taken it. Ends early, closing `frames`, when the client is gone.
 */
export async function pump(
  frames: AsyncIterable<Uint8Array>,
  outgoing: ServerResponse,
  options: PumpOptions,
): Promise<void> {
  const { keepalive, headers, status = 200, onFirst } = options;
  let timer = keepalive?.isFromStart ? startKeepalive(outgoing, keepalive) : undefined;
  try {
    for await (const frame of frames) {
      if (outgoing.destroyed) return;
      if (!outgoing.headersSent) outgoing.writeHead(status, headers);
      const hasRoom = outgoing.write(frame, (error) => error ?? giveFrame(frame));
      if (timer) timer.refresh();
      else if (keepalive) timer = startKeepalive(outgoing, keepalive);
      onFirst?.();
      if (!hasRoom) await drained(outgoing);
    }
    if (outgoing.destroyed) return;
    if (!outgoing.headersSent) outgoing.writeHead(status, headers);
    if (options.trailers) outgoing.addTrailers(options.trailers());
    outgoing.end();
  } finally {
    clearInterval(timer);
  }
}

/**
 * As {@link pump}, but resolves once the first frame is out and leaves the rest to itself: a stream may be silent for hours, and
 * whoever waits for its end keeps all that the request needed. A failure after that cuts the connection and goes to `onFailure`.
 */
export async function startPump(
  frames: AsyncIterable<Uint8Array>,
  outgoing: ServerResponse,
  options: Omit<PumpOptions, "onFirst"> & { onFailure: (error: unknown) => void },
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let hasBegun = false;
  const onFirst = (): void => {
    hasBegun = true;
    resolve();
  };
  pump(frames, outgoing, { ...options, onFirst }).then(resolve, (error: unknown) => {
    if (!hasBegun) return reject(error);
    outgoing.destroy();
    options.onFailure(error);
  });
  await promise;
}

/** A client that does not read gets no keepalives either. */
function startKeepalive(
  outgoing: ServerResponse,
  { bytes, everyMs }: { bytes: Buffer; everyMs: number },
): NodeJS.Timeout {
  return setInterval(() => {
    if (!outgoing.destroyed && !outgoing.writableNeedDrain) outgoing.write(bytes);
  }, everyMs);
}

/** Resolves when the client has read enough, or is gone. */
async function drained(outgoing: ServerResponse): Promise<void> {
  if (outgoing.destroyed || !outgoing.writableNeedDrain) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  outgoing.once("drain", resolve).once("close", resolve);
  await promise;
  outgoing.off("drain", resolve).off("close", resolve);
}
