import { errnoText } from "../errors.ts";
import type { ListeningSocket } from "../host/listening-sockets.ts";
import { Mutex } from "../lib/mutex.ts";
import { Notifier } from "../lib/notifier.ts";
import type { Logger } from "../log.ts";
import type { Ports } from "./ports.ts";
import type { Port, PortEvent } from "./types.ts";

/** The kernel tells nobody of a new listener: it is asked this often, while somebody follows. One question takes some 20 µs. */
const LOOK_EVERY_MS = 100;

type ByInode = ReadonlyMap<number, Port>;

/** One look after the other for all who follow, however many they are; none while nobody does. */
export class PortWatch {
  readonly #ports: Ports;
  readonly #log: Logger;
  readonly #looks = new Mutex();
  readonly #changed = new Notifier();
  #followers = 0;
  #timer: NodeJS.Timeout | undefined;
  /** Everything that listened at the last look, and what of it is told. */
  #looked: readonly ListeningSocket[] | undefined;
  #seen: ReadonlySet<number> | undefined;
  #known: ByInode | undefined;
  #failure: string | undefined;

  constructor(options: { ports: Ports; log: Logger }) {
    this.#ports = options.ports;
    this.#log = options.log;
  }

  /**
   * All there are, then each that comes or goes, some at a time; the first time perhaps none. A follower that is slow is told
   * less often, of what is still true. Ends when `signal` aborts.
   */
  async *follow(signal: AbortSignal): AsyncGenerator<PortEvent[]> {
    using _place = this.#join();
    await this.#look();
    let told: ByInode | undefined;
    while (!signal.aborted) {
      const known = this.#known;
      if (known === undefined || known === told) {
        await this.#changed.wait(signal).catch(() => undefined);
        continue;
      }
      const events = differences(told, known);
      const isFirst = told === undefined;
      told = known;
      if (isFirst || events.length > 0) yield events;
    }
  }

  #join(): Disposable {
    this.#followers += 1;
    this.#timer ??= setInterval(() => {
      if (this.#looks.size === 0) void this.#look();
    }, LOOK_EVERY_MS).unref();
    return { [Symbol.dispose]: () => this.#leave() };
  }

  #leave(): void {
    this.#followers -= 1;
    if (this.#followers > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#looked = undefined;
    this.#seen = undefined;
    this.#known = undefined;
  }

  /** Never rejects: the next look may succeed, and what was known stays until then. */
  async #look(): Promise<void> {
    using _turn = await this.#looks.lock();
    try {
      const sockets = this.#ports.sockets();
      // Who holds them is only asked when there is something new: most of the time there is not.
      if (sockets === this.#looked || this.#isSame(sockets)) {
        this.#failure = undefined;
        return;
      }
      const ports = await this.#ports.describe(sockets);
      if (this.#followers === 0) return;
      this.#looked = sockets;
      this.#seen = new Set(sockets.map(({ inode }) => inode));
      this.#known = new Map(ports.map((port) => [port.inode, port]));
      this.#failure = undefined;
      this.#changed.notify();
    } catch (error) {
      const why = errnoText(error);
      if (why !== this.#failure) this.#log.warn("ports.look_failed", { error: why });
      this.#failure = why;
    }
  }

  #isSame(sockets: readonly ListeningSocket[]): boolean {
    return this.#seen?.size === sockets.length && sockets.every(({ inode }) => this.#seen?.has(inode));
  }
}

function differences(before: ByInode | undefined, now: ByInode): PortEvent[] {
  const closed = [...(before?.values() ?? [])].filter(({ inode }) => !now.has(inode));
  const opened = [...now.values()].filter(({ inode }) => !before?.has(inode));
  return [
    ...closed.map((port) => ({ type: "closed" as const, port })),
    ...opened.map((port) => ({ type: "opened" as const, port })),
  ];
}
