import { SandboxError } from "../../errors.ts";
import { limitedSignal } from "../../lib/abort.ts";
import type { EdgeContext, EdgeEnv } from "../request-context.ts";
import type { Codec } from "./codec.ts";

/** What a handler knows of the RPC it serves, besides the message. */
export interface Call {
  /** User of Basic authentication, if one was named. */
  user: string | undefined;
  /** Aborts when the client goes away or the RPC's deadline passes. */
  readonly signal: AbortSignal;
  /** The client's deadline in ms from now, if it set one. */
  timeoutMs: number | undefined;
  codec: Codec;
  bindings: EdgeEnv["Bindings"];
}

/** @throws SandboxError invalid_argument for headers that break the protocol, deadline_exceeded for a deadline in the past */
export function readCall(c: EdgeContext, codec: Codec, options: { ownsDeadline: boolean }): Call {
  const version = c.req.header("connect-protocol-version");
  if (version !== undefined && version !== "1") {
    throw new SandboxError("invalid_argument", `connect-protocol-version must be "1": got ${JSON.stringify(version)}`);
  }
  const timeoutMs = parseTimeout(c.req.header("connect-timeout-ms"));
  const { request } = c.var;
  const hasTimer = timeoutMs !== undefined && !options.ownsDeadline;
  const timed = hasTimer ? limitedSignal(request.signal, timeoutMs) : undefined;
  // Whatever came of the call, nobody waits for it any more.
  if (timed) c.env.outgoing.once("close", () => timed[Symbol.dispose]());
  return {
    user: request.user,
    timeoutMs,
    codec,
    bindings: c.env,
    // Most handlers never ask for it.
    get signal() {
      return timed?.signal ?? request.signal;
    },
  };
}

function parseTimeout(header: string | undefined): number | undefined {
  if (header === undefined) return undefined;
  if (!/^-?\d{1,10}$/.test(header) || header.length > 10) {
    throw new SandboxError(
      "invalid_argument",
      `parse timeout: ${JSON.stringify(header)} is not a number of milliseconds`,
    );
  }
  const timeoutMs = Number(header);
  if (timeoutMs <= 0) throw new SandboxError("deadline_exceeded", "context deadline exceeded");
  return timeoutMs;
}

/** Which coding to answer in: the first that both sides know, as the reference picks it. */
export function acceptsGzip(header: string | undefined): boolean {
  const known = header
    ?.split(",")
    .map((name) => name.trim().toLowerCase())
    .find((name) => name === "gzip" || name === "identity");
  return known === "gzip";
}

/** @throws SandboxError unimplemented for a request coding we do not know */
export function isGzipRequest(header: string | undefined): boolean {
  if (header === undefined || header === "" || header === "identity") return false;
  if (header === "gzip") return true;
  throw new SandboxError(
    "unimplemented",
    `unknown compression ${JSON.stringify(header)}: supported encodings are gzip`,
  );
}
