import { chmodSync } from "node:fs";
import type { Server } from "node:http";
import type { AddressInfo, ListenOptions, Socket } from "node:net";
import { dirname } from "node:path";
import type { Hono } from "hono";
import { errnoName, fromErrno, SandboxError } from "../errors.ts";
import { makeDirectories } from "../lib/make-directories.ts";
import type { Logger } from "../log.ts";
import type { WebSocket } from "ws";
import { ClientGone, httpStatus } from "./errors.ts";
import { answerMalformed, answerUnroutable } from "./malformed-requests.ts";
import type { EdgeContext, EdgeEnv, Face } from "./request-context.ts";
import { removeStaleSocket } from "./stale-socket.ts";
import { createUpgradingServer } from "./websocket.ts";

/** Clients keep idle sockets for minutes; we must not close one that they are about to use. */
const KEEP_ALIVE_MS = 640_000;
/** A client that takes longer to send its headers is no client. */
const HEADERS_TIMEOUT_MS = 60_000;
/** Metadata headers and long paths in queries. */
const MAX_HEADER_BYTES = 128 * 1024;

/** What listening on an address answers that this machine does not have. */
const ABSENT = new Set(["EADDRNOTAVAIL", "EAFNOSUPPORT", "EINVAL"]);

export interface ListenAddress {
  host: string;
  port: number;
  face: Face;
  /** Not having the address at all (no IPv6 here) is no error. */
  isOptional?: boolean;
}

/** The open ports of the daemon; all serve one app. */
export class Listeners implements AsyncDisposable {
  readonly #faces = new WeakMap<Socket, Face>();
  readonly #local = new WeakSet<Socket>();
  readonly #servers: Server[] = [];
  readonly #sockets: ReadonlySet<WebSocket>[] = [];
  readonly #log: Logger;

  constructor(deps: { log: Logger }) {
    this.#log = deps.log;
  }

  /** Which contract the listener that a request came in on stands for. */
  readonly faceOf = (c: EdgeContext): Face => this.#faces.get(c.env.incoming.socket) ?? "api";

  /** Whether a request came through a socket file: not from a web page, and only from who may open the file. */
  readonly isLocal = (c: EdgeContext): boolean => this.#local.has(c.env.incoming.socket);

  /** Opens one port and returns its number. @throws SandboxError when the address cannot be had */
  async open(app: Hono<EdgeEnv>, address: ListenAddress): Promise<number> {
    const { host, port, face } = address;
    try {
      const server = await this.#listen(app, { host, port }, (socket) => this.#faces.set(socket, face));
      return (server.address() as AddressInfo).port;
    } catch (error) {
      if (address.isOptional && ABSENT.has(errnoName(error) ?? "")) return port;
      throw fromErrno(error, `cannot listen on ${host}:${port}`);
    }
  }

  /** Opens a socket file with these permission bits, in a folder that is made if need be; it is gone when the daemon ends. @throws SandboxError */
  async openSocket(app: Hono<EdgeEnv>, path: string, mode: number): Promise<void> {
    try {
      makeDirectories(dirname(path));
      await removeStaleSocket(path);
      await this.#listen(app, { path }, (socket) => this.#local.add(socket));
      chmodSync(path, mode);
    } catch (error) {
      throw fromErrno(error, `cannot listen on unix:${path}`);
    }
  }

  async #listen(app: Hono<EdgeEnv>, address: ListenOptions, onConnection: (socket: Socket) => void): Promise<Server> {
    const options = {
      requestTimeout: 0,
      headersTimeout: HEADERS_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      maxHeaderSize: MAX_HEADER_BYTES,
      // The adapter says more of it than a bare status.
      requireHostHeader: false,
    };
    const refused = (error: SandboxError): void => this.#refused(error);
    const { server, sockets } = createUpgradingServer(app, options, {
      unroutable: (thrown) => answerUnroutable(thrown, refused),
      dropped: () =>
        refused(new SandboxError("canceled", "the client went away before its turn", { cause: new ClientGone() })),
    });
    answerMalformed(server, options, refused);
    server.on("connection", onConnection);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.once("error", reject).listen(address, resolve);
    await promise;
    server.off("error", reject);
    this.#servers.push(server);
    this.#sockets.push(sockets);
    return server;
  }

  /** What never came to the app has its line in the log all the same. */
  #refused(error: SandboxError): void {
    const { code, reason, cause } = error;
    if (code === "internal") this.#log.error("bug", { error: cause instanceof Error ? cause.stack : String(cause) });
    else this.#log.info("request.refused", { status: httpStatus(error), code, reason });
  }

  /** Stops accepting, lets requests under way finish until `signal` aborts, then cuts them. */
  async close(signal: AbortSignal): Promise<void> {
    const closed = this.#servers.map((server) => new Promise((resolve) => server.close(resolve)));
    for (const server of this.#servers) server.closeIdleConnections();
    const cut = (): void => {
      for (const server of this.#servers) server.closeAllConnections();
      for (const socket of this.#sockets.flatMap((sockets) => [...sockets])) socket.terminate();
    };
    if (signal.aborted) cut();
    else signal.addEventListener("abort", cut, { once: true });
    await Promise.all(closed);
    signal.removeEventListener("abort", cut);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close(AbortSignal.abort());
  }
}
