import { type IncomingMessage, type Server, type ServerOptions, ServerResponse } from "node:http";
import { createAdaptorServer, getRequestListener, upgradeWebSocket } from "@hono/node-server";
import type { Hono } from "hono";
import { type WebSocket, WebSocketServer } from "ws";
import { ClientGone } from "./errors.ts";
import { TOKEN_PROTOCOL } from "./gate.ts";
import { lingerOn } from "./lingering.ts";
import { pacedRequests } from "./paced-requests.ts";
import type { EdgeContext, EdgeEnv } from "./request-context.ts";

/** Largest message a client may send. */
const MAX_MESSAGE_BYTES = 16 * 1024 * 1024;
/** Proxies cut connections that are silent for a minute. */
const PING_MS = 25_000;
/** A ping that comes later than this has been held up, most likely with all of us. */
const LATE_MS = 500;
const SWITCHING_PROTOCOLS = 101;
/** Unsent output above this makes its source wait … */
const HIGH_WATER_BYTES = 1024 * 1024;
/** … until less than this is left. */
const LOW_WATER_BYTES = 256 * 1024;

export type PeerMessage = { bytes: Buffer } | { text: string };

/** One WebSocket and whoever is behind it. */
export class Peer {
  readonly #socket: WebSocket;
  readonly #closed = new AbortController();
  #isAlive = true;
  #pingedAt = performance.now();

  constructor(socket: WebSocket) {
    this.#socket = socket;
    const ping = setInterval(() => this.#ping(), PING_MS).unref();
    socket.on("pong", () => (this.#isAlive = true));
    socket.on("error", () => undefined); // a close follows
    socket.once("close", () => {
      clearInterval(ping);
      this.#closed.abort(new ClientGone());
    });
  }

  /** Aborts when the connection is gone. */
  get signal(): AbortSignal {
    return this.#closed.signal;
  }

  /** Calls `take` with each message in order; the next is read from the network when the one before was taken. */
  onMessage(take: (message: PeerMessage) => Promise<void>): void {
    let last = Promise.resolve();
    let waiting = 0;
    this.#socket.on("message", (data, isBinary) => {
      const bytes = Buffer.isBuffer(data) ? data : Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data);
      if (++waiting === 1) this.#socket.pause();
      last = last
        .then(() => take(isBinary ? { bytes } : { text: bytes.toString("utf8") }))
        .finally(() => {
          if (--waiting === 0) this.#socket.resume();
        });
    });
  }

  /** Sends bytes as they are; resolves when there is room for more. */
  async sendBytes(bytes: Uint8Array): Promise<void> {
    this.#socket.send(bytes, { binary: true });
    if (this.#socket.bufferedAmount > HIGH_WATER_BYTES) await this.#drained();
  }

  sendJson(value: unknown): void {
    if (!this.signal.aborted) this.#socket.send(JSON.stringify(value));
  }

  /** Closes after everything that was sent. */
  close(code: number, reason = ""): void {
    this.#socket.close(code, reason.slice(0, 100));
  }

  async #drained(): Promise<void> {
    const stream = (this.#socket as unknown as { _socket: NodeJS.WritableStream & NodeJS.EventEmitter })._socket;
    while (!this.signal.aborted && this.#socket.bufferedAmount > LOW_WATER_BYTES) {
      const { promise, resolve } = Promise.withResolvers<void>();
      stream.once("drain", resolve);
      this.#socket.once("close", resolve);
      await promise;
      stream.removeListener("drain", resolve);
      this.#socket.off("close", resolve);
    }
  }

  #ping(): void {
    const waitedMs = performance.now() - this.#pingedAt;
    this.#pingedAt += waitedMs;
    // When we were stopped meanwhile its answer has not been read yet.
    if (!this.#isAlive && waitedMs < PING_MS + LATE_MS) return this.#socket.terminate();
    this.#isAlive = false;
    this.#socket.ping();
  }
}

/** Accepts the WebSocket that `c` asks for and hands it to `serve`. Call it when nothing can be refused any more. */
export async function acceptSocket(c: EdgeContext, serve: (peer: Peer) => void): Promise<Response> {
  const upgrade = upgradeWebSocket(() => ({
    onOpen: (_event, { raw }) => serve(new Peer(raw as WebSocket)),
  }));
  return (await upgrade(c, async () => undefined)) ?? c.body(null, 426, { Upgrade: "websocket" });
}

type FetchCallback = Parameters<typeof createAdaptorServer>[0]["fetch"];
type WebSocketServerLike = NonNullable<Parameters<typeof createAdaptorServer>[0]["websocket"]>["server"];

/** A server for `app` that takes WebSockets too; `sockets` are the open ones. What the app cannot be asked is `unroutable`'s to answer. */
export function createUpgradingServer(
  app: Hono<EdgeEnv>,
  serverOptions: ServerOptions,
  { unroutable, dropped }: { unroutable: (thrown: unknown) => Response; dropped: (incoming: IncomingMessage) => void },
): { server: Server; sockets: ReadonlySet<WebSocket> } {
  const acceptor = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_MESSAGE_BYTES,
    // A browser wants one of its own back: rather a name that says nothing than the token.
    handleProtocols: (offered) =>
      [...offered].find((name) => !name.startsWith(TOKEN_PROTOCOL)) ?? [...offered][0] ?? "",
  });
  const fetch: FetchCallback = (request, env) => answer(app, request, env as EdgeEnv["Bindings"]);
  const server = createAdaptorServer({
    fetch,
    websocket: { server: acceptor as unknown as WebSocketServerLike },
    // Without the callback Node would hand us every request that offers any upgrade, HTTP/2 among them.
    serverOptions: { ...serverOptions, shouldUpgradeCallback: isForWebSocket },
  }) as Server;
  // The adapter's own listener leaves no choice of what errors look like. Its cleaning up would reset a connection whose body is not
  // read within half a second: we linger.
  const listener = getRequestListener(fetch, { errorHandler: unroutable, autoCleanupIncoming: false });
  const paced = pacedRequests((incoming, outgoing) => void listener(incoming, outgoing), dropped);
  server.removeAllListeners("request").on("request", paced);
  lingerOn(server);
  return { server, sockets: acceptor.clients };
}

/** One whose address cannot be read is an ordinary request, which is told so. */
function isForWebSocket({ headers, url = "" }: IncomingMessage): boolean {
  if (headers.upgrade?.toLowerCase() !== "websocket") return false;
  return URL.canParse(url.startsWith("/") ? `http://${headers.host ?? ""}${url}` : url);
}

/** A request for an upgrade comes without an answer object: it gets one that writes nothing and lasts as long as the connection. */
async function answer(app: Hono<EdgeEnv>, request: Request, env: EdgeEnv["Bindings"]): Promise<Response> {
  if (env.outgoing) return app.fetch(request, env);
  const outgoing = new ServerResponse(env.incoming);
  outgoing.statusCode = SWITCHING_PROTOCOLS;
  env.incoming.socket.once("close", () => outgoing.emit("close"));
  const response = await app.fetch(request, Object.assign(env, { outgoing }));
  if (response.status >= 400) outgoing.statusCode = response.status; // what the log says of it
  return response;
}
