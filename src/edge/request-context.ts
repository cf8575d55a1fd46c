import type { HttpBindings } from "@hono/node-server";
import type { Context } from "hono";
import type { SandboxError } from "../errors.ts";
import type { Logger } from "../log.ts";
import { ClientGone, isBug, publicError } from "./errors.ts";
import type { RequestIds } from "./request-id.ts";

/**
 * Which contract a request is under where the two differ (`/health`, preflights, 404 and 405 bodies):
 * the daemon's own, or the code interpreter's.
 */
export type Face = "api" | "interpreter";

/** The port that clients of the code interpreter name in `E2b-Sandbox-Port`, whatever port they really reach. */
const INTERPRETER_PORT = "49999";

/** Facts about one request, for its handler and its log line. */
export class RequestContext {
  readonly id: string;
  readonly face: Face;
  /** Name from Basic authentication; known to be an account. */
  user: string | undefined;
  /** The pattern of its path, once there is a route. */
  route: string | undefined;
  readonly #outgoing: HttpBindings["outgoing"];
  readonly #log: Logger;
  #controller: AbortController | undefined;
  #errorCode: string | undefined;

  constructor(
    bindings: HttpBindings,
    { listenerFace, log, ids }: { listenerFace: Face; log: Logger; ids: RequestIds },
  ) {
    const { headers } = bindings.incoming;
    this.#log = log;
    this.id = traceId(headers["traceparent"]) ?? ids.next();
    const port = headers["e2b-sandbox-port"];
    this.face = port === undefined ? listenerFace : port === INTERPRETER_PORT ? "interpreter" : "api";
    this.#outgoing = bindings.outgoing;
  }

  /** Aborts when the client goes away before its answer is complete. Made when first asked for. */
  get signal(): AbortSignal {
    if (this.#controller) return this.#controller.signal;
    const controller = new AbortController();
    const outgoing = this.#outgoing;
    const abort = (): void => {
      if (!outgoing.writableFinished) controller.abort(new ClientGone());
    };
    if (outgoing.destroyed) abort();
    else outgoing.once("close", abort);
    this.#controller = controller;
    return controller.signal;
  }

  /** Code of the error that was answered, for the log line. */
  get errorCode(): string | undefined {
    return this.#errorCode;
  }

  /** Notes that the request failed, logs a bug of ours with its stack, and returns what the caller is told. */
  fail(thrown: unknown): SandboxError {
    const error = publicError(thrown);
    this.#errorCode = error.code;
    if (isBug(thrown)) {
      const text = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
      this.#log.error("bug", { requestId: this.id, error: text });
    }
    return error;
  }
}

export interface EdgeEnv {
  Bindings: HttpBindings;
  Variables: { request: RequestContext };
}

export type EdgeContext = Context<EdgeEnv>;

/** The trace id of a W3C `traceparent` header. */
function traceId(header: string | string[] | undefined): string | undefined {
  return typeof header === "string"
    ? /^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}/.exec(header)?.[1]
    : undefined;
}
