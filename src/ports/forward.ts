import { createServer, type Server, type Socket } from "node:net";
import { errnoText } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { Relays } from "./relays.ts";
import { plainAddress, type Port } from "./types.ts";

/**
 * One port held open outside for the programs that listen on it inside: there may be several, one after the other or at once.
 * Connections outlive it, as they outlive the listener that has accepted them.
 */
export class Forward implements Disposable {
  readonly #port: number;
  readonly #relays: Relays;
  readonly #log: Logger;
  /** Listeners inside, by inode, newest last. */
  readonly #inside = new Map<number, Port>();
  /** By the address outside. */
  readonly #servers = new Map<string, Server>();
  readonly #refusals = new Map<string, string>();

  constructor(options: { port: number; relays: Relays; log: Logger }) {
    this.#port = options.port;
    this.#relays = options.relays;
    this.#log = options.log;
  }

  /** Whether no program listens inside any more. */
  get isIdle(): boolean {
    return this.#inside.size === 0;
  }

  add(listener: Port): void {
    this.#inside.set(listener.inode, listener);
  }

  remove(listener: Port): void {
    this.#inside.delete(listener.inode);
  }

  /** Open on these addresses and no others, as far as they can be had. */
  listenOn(hosts: ReadonlySet<string>): void {
    for (const host of hosts) if (!this.#servers.has(host)) this.#listen(host);
    for (const host of this.#servers.keys()) if (!hosts.has(host)) this.#close(host);
  }

  [Symbol.dispose](): void {
    for (const host of this.#servers.keys()) this.#close(host);
  }

  #listen(host: string): void {
    const server = createServer({ allowHalfOpen: true }, (outside) => this.#relay(outside));
    this.#servers.set(host, server);
    server.once("listening", () => {
      // It was closed before it was open: Node opens it all the same.
      if (this.#servers.get(host) !== server) return void server.close();
      this.#refusals.delete(host);
      const { address, command } = this.#newest() ?? {};
      this.#log.info("forward.opened", { port: this.#port, host, address, command });
    });
    server.on("error", (error) => {
      if (this.#servers.get(host) === server) this.#close(host);
      this.#noteRefusal(host, errnoText(error));
    });
    server.listen({ host, port: this.#port });
  }

  #close(host: string): void {
    this.#servers.get(host)?.close();
    this.#servers.delete(host);
  }

  /** Another program may have the port on that address: then that is who clients reach. It is tried again, and told once. */
  #noteRefusal(host: string, error: string): void {
    if (this.#refusals.get(host) === error) return;
    this.#refusals.set(host, error);
    this.#log.info("forward.refused", { port: this.#port, host, error });
  }

  #relay(outside: Socket): void {
    const family = outside.remoteFamily === "IPv6" ? "ipv6" : "ipv4";
    const target = [...this.#inside.values()].findLast((listener) => listener.family === family) ?? this.#newest();
    if (target) this.#relays.begin(outside, { host: plainAddress(target.address), port: this.#port });
    else outside.destroy();
  }

  #newest(): Port | undefined {
    return [...this.#inside.values()].at(-1);
  }
}
