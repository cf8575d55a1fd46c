import { networkInterfaces } from "node:os";
import { errnoText } from "../errors.ts";
import type { Logger } from "../log.ts";
import { Forward } from "./forward.ts";
import type { PortWatch } from "./port-watch.ts";
import { Relays } from "./relays.ts";
import { isLoopbackAddress, type Port, type PortEvent } from "./types.ts";

/** While something is forwarded: addresses come and go, and so do those who hold a port that we could not have. */
const SETTLE_EVERY_MS = 2000;

export interface ForwarderOptions {
  watch: PortWatch;
  log: Logger;
  /** Also what programs listen on that guestd did not start. */
  forwardsAll: boolean;
  /** Connections at a time, of all ports together. */
  maxConnections: number;
}

/**
 * Makes programs that listen on loopback reachable on this machine's other addresses, on the same port: clients outside take any
 * port for open that a program inside has opened. It is a plain TCP relay in this process, closed with the port's last listener.
 */
export class Forwarder implements AsyncDisposable {
  readonly #options: ForwarderOptions;
  readonly #relays: Relays;
  readonly #forwards = new Map<number, Forward>();
  readonly #stopping = new AbortController();
  readonly #following: Promise<void>;
  #timer: NodeJS.Timeout | undefined;
  #hosts: ReadonlySet<string> = new Set();
  #isLookGood = true;

  constructor(options: ForwarderOptions) {
    this.#options = options;
    this.#relays = new Relays({ most: options.maxConnections, log: options.log });
    this.#following = this.#follow();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    await this.#following;
    clearTimeout(this.#timer);
    for (const forward of this.#forwards.values()) forward[Symbol.dispose]();
    this.#relays[Symbol.dispose]();
  }

  async #follow(): Promise<void> {
    for await (const events of this.#options.watch.follow(this.#stopping.signal)) this.#apply(events);
  }

  /** A port that one program has left and another has taken in the meantime stays open. */
  #apply(events: readonly PortEvent[]): void {
    for (const { type, port } of events) {
      if (type === "closed") this.#forwards.get(port.port)?.remove(port);
      else if (this.#isWanted(port)) this.#forwardOf(port.port).add(port);
    }
    for (const [port, forward] of this.#forwards) {
      if (!forward.isIdle) continue;
      forward[Symbol.dispose]();
      this.#forwards.delete(port);
      this.#options.log.info("forward.closed", { port });
    }
    // The others are as they were: what was refused then would be now, at each event anywhere.
    this.#settle(new Set(events.map(({ port: { port } }) => port)));
    this.#settleLater();
  }

  /** Forwards of these ports are open wherever they can be. */
  #settle(ports: ReadonlySet<number>): void {
    const forwards = [...this.#forwards].filter(([port]) => ports.has(port));
    if (forwards.length > 0) this.#lookAtAddresses();
    for (const [, forward] of forwards) forward.listenOn(this.#hosts);
  }

  /** All of them are looked at again while there is one. */
  #settleLater(): void {
    if (this.#forwards.size === 0) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#settle(new Set(this.#forwards.keys()));
      this.#settleLater();
    }, SETTLE_EVERY_MS).unref();
  }

  /** Where they cannot be read, as without a free descriptor, they are taken for what they were. */
  #lookAtAddresses(): void {
    try {
      this.#hosts = outerAddresses();
      this.#isLookGood = true;
    } catch (error) {
      if (this.#isLookGood) this.#options.log.warn("forward.addresses_unknown", { error: errnoText(error) });
      this.#isLookGood = false;
    }
  }

  #isWanted({ address, isOurs }: Port): boolean {
    return isLoopbackAddress(address) && (isOurs || this.#options.forwardsAll);
  }

  #forwardOf(port: number): Forward {
    const known = this.#forwards.get(port);
    if (known) return known;
    const forward = new Forward({ port, relays: this.#relays, log: this.#options.log });
    this.#forwards.set(port, forward);
    return forward;
  }
}

/** Addresses of this machine that others reach it by; link-local ones of IPv6 belong to one cable only. @throws the system error */
function outerAddresses(): Set<string> {
  const outer = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ internal, address }) => !internal && !/^fe[89ab]/i.test(address));
  return new Set(outer.map(({ address }) => address));
}
