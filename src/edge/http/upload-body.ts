import type { IncomingMessage } from "node:http";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { awakeClock } from "../../lib/awake-clock.ts";
import { longTimeout } from "../../lib/long-timeout.ts";
import { SandboxError } from "../../errors.ts";

/** Taken from the socket ahead of whoever consumes the body. */
const MAX_QUEUED_BYTES = 256 * 1024;

/**
 * A request's body as it comes, with back-pressure. Unlike iterating the request itself, stopping early leaves the connection
 * open for the answer.
 * @throws SandboxError canceled when the client breaks off, deadline_exceeded when nothing comes for `idleMs`
 */
export async function* uploadBody(incoming: IncomingMessage, options: { idleMs: number }): AsyncGenerator<Buffer> {
  const intake = new Intake(incoming, options.idleMs);
  try {
    for (;;) {
      const chunks = await intake.take();
      if (!chunks) return;
      yield* chunks;
    }
  } finally {
    intake.close();
  }
}

class Intake {
  readonly #incoming: IncomingMessage;
  readonly #idleMs: number;
  #idleTimer: Disposable;
  #movedAt = awakeClock.now();
  #chunks: Buffer[] = [];
  #queuedBytes = 0;
  #hasEnded = false;
  #failure: SandboxError | undefined;
  #wake: (() => void) | undefined;

  constructor(incoming: IncomingMessage, idleMs: number) {
    this.#incoming = incoming;
    this.#idleMs = idleMs;
    this.#idleTimer = longTimeout(this.#onIdle, idleMs);
    incoming.on("data", this.#onData).on("end", this.#onEnd).on("error", this.#onBreak).on("close", this.#onBreak);
    if (incoming.destroyed && !incoming.readableEnded) this.#onBreak();
  }

  /** What has come since the last call, at least one chunk; undefined at the end. */
  async take(): Promise<Buffer[] | undefined> {
    if (this.#chunks.length === 0) {
      // From here on it is the client that keeps us waiting.
      this.#movedAt = awakeClock.now();
      this.#incoming.resume();
    }
    while (this.#chunks.length === 0 && !this.#hasEnded) {
      if (this.#failure) throw this.#failure;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const chunks = this.#chunks;
    this.#chunks = [];
    this.#queuedBytes = 0;
    return chunks.length > 0 ? chunks : undefined;
  }

  /** What comes from now on is left to whoever ends the request. */
  close(): void {
    this.#idleTimer[Symbol.dispose]();
    this.#incoming.pause();
    this.#incoming
      .off("data", this.#onData)
      .off("end", this.#onEnd)
      .off("error", this.#onBreak)
      .off("close", this.#onBreak);
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#chunks.push(chunk);
    this.#queuedBytes += chunk.length;
    if (this.#queuedBytes >= MAX_QUEUED_BYTES) this.#incoming.pause();
    this.#movedAt = awakeClock.now();
    this.#notify();
  };

  readonly #onEnd = (): void => {
    this.#hasEnded = true;
    this.#notify();
  };

  readonly #onBreak = (cause?: unknown): void => {
    if (this.#hasEnded) return;
    this.#fail(new SandboxError("canceled", "the request body broke off", { cause }));
  };

  /** One timer, set again for what is left: a chunk costs a look at the clock. */
  readonly #onIdle = (): void => {
    const idleMs = this.#idleMs;
    const leftMs = this.#movedAt + idleMs - awakeClock.now();
    // A consumer that is slow to take what is there is no reason to give up.
    if (leftMs > 0 || !this.#wake) this.#idleTimer = longTimeout(this.#onIdle, leftMs > 0 ? leftMs : idleMs);
    else this.#fail(new SandboxError("deadline_exceeded", `the request body paused for ${idleMs} ms`));
  };

  #fail(failure: SandboxError): void {
    this.#failure ??= failure;
    this.#notify();
  }

  #notify(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}

const ENCODING_ERROR = "error decompressing request body";

/** Whether a body has to be inflated. @throws SandboxError invalid_argument for a coding we do not know */
export function isGzipBody(contentEncoding: string | undefined): boolean {
  const name = contentEncoding?.split(";")[0]?.trim().toLowerCase() ?? "";
  if (name === "" || name === "identity") return false;
  if (name === "gzip") return true;
  const message = `${ENCODING_ERROR}: unsupported Content-Encoding: ${contentEncoding}, supported: [gzip]`;
  throw new SandboxError("invalid_argument", message);
}

/** Inflates a body. @throws SandboxError invalid_argument when it is not gzip, or ends too early */
export async function* inflated(body: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const gunzip = createGunzip();
  let hasInput = false;
  const watched = async function* (): AsyncGenerator<Buffer> {
    for await (const chunk of body) {
      hasInput ||= chunk.length > 0;
      yield chunk;
    }
  };
  const feeding = pipeline(watched, gunzip);
  // A failure reaches the reader of `gunzip` first.
  feeding.catch(() => undefined);
  try {
    yield* gunzip as AsyncIterable<Buffer>;
    await feeding;
  } catch (error) {
    throw inflateError(error, hasInput);
  } finally {
    gunzip.destroy();
  }
}

function inflateError(error: unknown, hasInput: boolean): unknown {
  if (!(error instanceof Error) || !("code" in error) || !String(error.code).startsWith("Z_")) return error;
  const reason = hasInput ? error.message : "EOF";
  const why = hasInput && error.code === "Z_BUF_ERROR" ? "unexpected EOF" : `failed to create gzip reader: ${reason}`;
  return new SandboxError("invalid_argument", `${ENCODING_ERROR}: ${why}`, { cause: error });
}
