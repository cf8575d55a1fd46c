import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";

export interface LingerLimits {
  /** For so long a client may go on sending a body after its answer. */
  totalMs: number;
  /** One that sends nothing for so long is done, or gone. */
  silentMs: number;
}

const LIMITS: LingerLimits = { totalMs: 30_000, silentMs: 2000 };

/**
 * Goes on reading what clients send of a body when its answer is already complete (a refused or failed upload): to close the
 * connection at once would reset it, and the answer would be lost before they come to read it.
 */
export function lingerOn(server: Server, limits = LIMITS): void {
  server.on("request", (incoming: IncomingMessage, outgoing: ServerResponse) => {
    const { socket } = incoming;
    let ending: Ending | undefined;
    // Before Node's own listener, which closes the connection at once where that was the last answer on it.
    outgoing.prependOnceListener("finish", () => {
      if (!incoming.complete && !incoming.destroyed) ending = new Ending(socket);
    });
    outgoing.once("finish", () => {
      ending?.[Symbol.dispose]();
      if (ending) linger(incoming, { ...limits, isLast: ending.isWanted });
    });
  });
}

/** While it is there, whoever wants to close a connection only ends our side of it. */
class Ending implements Disposable {
  readonly #socket: Socket;
  isWanted = false;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.destroySoon = () => {
      this.isWanted = true;
      socket.end();
    };
  }

  [Symbol.dispose](): void {
    Reflect.deleteProperty(this.#socket, "destroySoon");
  }
}

function linger(incoming: IncomingMessage, options: LingerLimits & { isLast: boolean }): void {
  const { totalMs, silentMs, isLast } = options;
  const { socket } = incoming;
  let seenBytes = socket.bytesRead;
  let leftMs = totalMs;
  let isEnding = false;
  const timer = setInterval(() => {
    // It takes the rest of its answer neither.
    if (isEnding) return void socket.destroy();
    leftMs -= silentMs;
    isEnding = socket.bytesRead === seenBytes || leftMs <= 0;
    seenBytes = socket.bytesRead;
    if (isEnding) socket.destroySoon();
  }, silentMs).unref();
  const stop = (): void => {
    clearInterval(timer);
    socket.off("close", stop);
    if (isLast) socket.destroySoon();
  };
  // A request that has its answer is not told any more that its connection is gone.
  socket.once("close", stop);
  incoming.once("close", stop).resume();
}
