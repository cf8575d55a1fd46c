import type { Logger } from "../log.ts";
import { arrivalOf } from "./paced-requests.ts";
import type { EdgeContext } from "./request-context.ts";

/** How a request went. */
export interface AnsweredRequest {
  method: string;
  /** The pattern of its path; undefined when no route has it. */
  route: string | undefined;
  status: number;
  durationMs: number;
}

/** Writes one line when the answer is complete or its client gone: what was asked and how it went, never what was said. */
export function logRequest(c: EdgeContext, log: Logger, onAnswered: (request: AnsweredRequest) => void): void {
  const { request } = c.var;
  const { outgoing } = c.env;
  const { method, path } = c.req;
  const isUpgrade = c.req.header("upgrade") !== undefined;
  const beganAt = arrivalOf(c.env.incoming);
  outgoing.once("close", () => {
    // An upgraded connection has no answer that could be complete.
    const isAborted = !outgoing.writableFinished && !isUpgrade;
    const status = outgoing.statusCode;
    const durationMs = performance.now() - beganAt;
    const fields = {
      requestId: request.id,
      method,
      path,
      status,
      outcome: isAborted ? "aborted" : (request.errorCode ?? status >= 400) ? "error" : "ok",
      code: request.errorCode,
      user: request.user,
      durationMs: Math.round(durationMs * 100) / 100,
    };
    if (path === "/health") log.debug("request", fields);
    else log.info("request", fields);
    onAnswered({ method, route: request.route, status, durationMs });
  });
}
