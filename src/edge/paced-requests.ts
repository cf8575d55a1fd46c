import type { IncomingMessage, ServerResponse } from "node:http";
import { Turns } from "../lib/turns.ts";

/** Decoding one and acting on it takes some tenths of a millisecond. */
const PER_TURN = 2;
/** What starts programs. */
const START = /^\/(?:process\.Process\/Start|v1\/run)(?:\?|$)/;

const arrivals = new WeakMap<IncomingMessage, number>();

/** When a request came, by `performance.now()`: it may have waited for its turn since. */
export function arrivalOf(incoming: IncomingMessage): number {
  return arrivals.get(incoming) ?? performance.now();
}

/**
 * A listener that hands starts of programs to `listener`, a few in each turn of the event loop: hundreds that come at once hold up nobody
 * who asks for something else. One whose client has left meanwhile is `dropped`: nothing is started for it.
 */
export function pacedRequests(
  listener: (incoming: IncomingMessage, outgoing: ServerResponse) => void,
  dropped: (incoming: IncomingMessage) => void,
): (incoming: IncomingMessage, outgoing: ServerResponse) => void {
  const turns = new Turns(PER_TURN);
  return (incoming, outgoing) => {
    const waiting = START.test(incoming.url ?? "") ? turns.pass() : undefined;
    if (!waiting) return listener(incoming, outgoing);
    arrivals.set(incoming, performance.now());
    void waiting.then(() => {
      if (incoming.destroyed || outgoing.destroyed) dropped(incoming);
      else listener(incoming, outgoing);
    });
  };
}
