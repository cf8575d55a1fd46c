import { chmod, copyFile, rm } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { longTimeout } from "../../lib/long-timeout.ts";
import { makeDirectoriesInPool } from "../../lib/make-directories.ts";
import { peerOf } from "../../host/libc-sockets.ts";
import { IncomingCall } from "./incoming-call.ts";
import { RequestReader } from "./request-reader.ts";

/** Takes a call; what it throws ends that call alone. */
export type CallHandler = (call: IncomingCall) => void;

/** Where `guestd-call` is, and its socket. */
export interface CallPlace {
  /** A copy that every user may execute, wherever guestd itself is installed. */
  program: string;
  socket: string;
}

/** `guestd-call` sends all at once. */
const REQUEST_MS = 5000;
/** Callers at a time: far more than there are gits, and few beside the descriptors of the daemon. */
const MAX_CONNECTIONS = 512;

/**
 * The socket that `guestd-call` connects to. Every user may connect: who calls is known from the kernel, and each handler
 * judges by that. Listens from the first call on.
 */
export class CallSocket implements AsyncDisposable {
  readonly #folder: string;
  readonly #source: string;
  readonly #requestMs: number;
  readonly #handlers = new Map<string, CallHandler>();
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  #opening: Promise<CallPlace> | undefined;

  /** `source` is the program, `folder` is made for its copy and the socket. */
  constructor(options: { folder: string; source: string; requestMs?: number }) {
    this.#requestMs = options.requestMs ?? REQUEST_MS;
    this.#folder = options.folder;
    this.#source = options.source;
  }

  /** Begins to listen unless it does. @throws the system error */
  async open(): Promise<CallPlace> {
    this.#opening ??= this.#open();
    try {
      return await this.#opening;
    } catch (error) {
      this.#opening = undefined; // the next call tries again
      throw error;
    }
  }

  /** Calls that name `id` go to `handler` until this is disposed. */
  handle(id: string, handler: CallHandler): Disposable {
    this.#handlers.set(id, handler);
    return { [Symbol.dispose]: () => void this.#handlers.delete(id) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#opening?.catch(() => undefined);
    this.#server?.close();
    for (const socket of this.#sockets) socket.destroy();
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #open(): Promise<CallPlace> {
    const [program, socket] = [join(this.#folder, "guestd-call"), join(this.#folder, "socket")];
    await makeDirectoriesInPool(this.#folder);
    await chmod(this.#folder, 0o711);
    await copyFile(this.#source, program);
    await chmod(program, 0o755);
    const server = createServer((connection) => this.#accept(connection));
    server.maxConnections = MAX_CONNECTIONS;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.once("error", reject).listen(socket, resolve);
    await promise;
    await chmod(socket, 0o666);
    this.#server = server;
    return { program, socket };
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
    socket.on("error", () => socket.destroy()); // the caller was killed: whoever serves it sees it closed
    const late = longTimeout(() => socket.destroy(), this.#requestMs);
    socket.once("close", () => late[Symbol.dispose]());
    const reader = new RequestReader((id) => this.#handlers.has(id));
    const onData = (bytes: Buffer): void => {
      const request = reader.push(bytes);
      if (request === undefined) return;
      late[Symbol.dispose]();
      socket.off("data", onData);
      const handler = request && this.#handlers.get(request.id);
      const fd = descriptorOf(socket);
      if (!request || !handler || fd === undefined) return void socket.destroy();
      try {
        handler(new IncomingCall({ socket, args: request.args, peer: peerOf(fd) }));
        socket.resume();
      } catch {
        socket.destroy(); // the call fails, and whoever has made it says so
      }
    };
    socket.on("data", onData);
  }
}

/** Node keeps it to itself; undefined once the socket is closed. */
function descriptorOf(socket: Socket): number | undefined {
  const { _handle: handle } = socket as Socket & { _handle?: { fd?: number } | null };
  return handle?.fd !== undefined && handle.fd >= 0 ? handle.fd : undefined;
}
