import { connect, createServer, type Server, type Socket } from "node:net";
import { networkInterfaces } from "node:os";
import { pipeline } from "node:stream";
import { errnoText } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { Ports } from "./ports.ts";
import { isLoopbackAddress, type Port } from "./types.ts";

/** A port that we hold open outside for a program that only listens inside. */
interface Forward {
  servers: Server[];
  connections: Set<Socket>;
}

/**
 * Makes programs that listen on loopback reachable on this machine's other addresses, on the same port: clients outside take any
 * port for open that a program inside has opened. It is a plain TCP relay in this process, closed with its listener.
 */
export class Forwarder implements AsyncDisposable {
  readonly #ports: Ports;
  readonly #log: Logger;
  readonly #forwards = new Map<number, Forward>();
  readonly #stopping = new AbortController();
  readonly #following: Promise<void>;

  constructor(options: { ports: Ports; log: Logger }) {
    this.#ports = options.ports;
    this.#log = options.log;
    this.#following = this.#follow().catch((error: unknown) => {
      this.#log.error("forward.stopped", { error: errnoText(error) });
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    await this.#following;
    for (const inode of this.#forwards.keys()) this.#close(inode);
  }

  async #follow(): Promise<void> {
    for await (const events of this.#ports.follow(this.#stopping.signal)) {
      for (const { type, port } of events) {
        if (type === "closed") this.#close(port.inode);
        else if (isLoopbackAddress(port.address)) this.#open(port);
      }
    }
  }

  #open(port: Port): void {
    const forward: Forward = { servers: [], connections: new Set() };
    this.#forwards.set(port.inode, forward);
    for (const host of outerAddresses()) {
      const server = createServer({ allowHalfOpen: true }, (outside) => relay(outside, port, forward.connections));
      // Another program may have the port on that address: then that is who clients reach.
      server.on("error", (error) => {
        this.#log.debug("forward.refused", { port: port.port, host, error: errnoText(error) });
      });
      server.listen({ host, port: port.port });
      forward.servers.push(server);
    }
    this.#log.info("forward.opened", { port: port.port, address: port.address, command: port.command });
  }

  #close(inode: number): void {
    const forward = this.#forwards.get(inode);
    if (!forward) return;
    this.#forwards.delete(inode);
    for (const server of forward.servers) server.close();
    for (const socket of forward.connections) socket.destroy();
  }
}

/** Bytes both ways; each side may end its own first. */
function relay(outside: Socket, { address, port }: Port, connections: Set<Socket>): void {
  const inside = connect({ host: address, port, allowHalfOpen: true });
  for (const socket of [outside, inside]) {
    connections.add(socket);
    socket.setNoDelay(true).once("close", () => connections.delete(socket));
  }
  const endBoth = (error: Error | null | undefined): void => {
    if (!error) return;
    outside.destroy();
    inside.destroy();
  };
  pipeline(outside, inside, endBoth);
  pipeline(inside, outside, endBoth);
}

/** Addresses of this machine that others reach it by; link-local ones of IPv6 belong to one cable only. */
function outerAddresses(): string[] {
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ internal, address }) => !internal && !/^fe[89ab]/i.test(address))
    .map(({ address }) => address);
}
