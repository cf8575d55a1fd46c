import type { IncomingMessage, ServerResponse } from "node:http";
import { Turns } from "../lib/turns.ts";

/** Decoding one and acting on it takes some tenths of a millisecond. */
const PER_TURN = 2;

/**
 * A listener that hands requests with a body to `listener`, a few in each turn of the event loop: hundreds that come at once hold up nobody
 * who just asks how things are. One whose client has left meanwhile is not handed on.
 */
export function pacedRequests(
  listener: (incoming: IncomingMessage, outgoing: ServerResponse) => void,
): (incoming: IncomingMessage, outgoing: ServerResponse) => void {
  const turns = new Turns(PER_TURN);
  return (incoming, outgoing) => {
    const waiting = hasBody(incoming) ? turns.pass() : undefined;
    if (!waiting) return listener(incoming, outgoing);
    void waiting.then(() => {
      if (!outgoing.destroyed) listener(incoming, outgoing);
    });
  };
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
}
