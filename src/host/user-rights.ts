import { stat } from "node:fs/promises";
import { SandboxError } from "../errors.ts";
import type { FileAccess, FileRights } from "./file-access.ts";
import { type CallFile, FileThread } from "./file-thread.ts";
import { OWN_FILE_ACCESS } from "./own-file-access.ts";
import { userFileAccess } from "./user-file-access.ts";
import type { Identity } from "./users.ts";

/** Each holds a few MB. */
const MAX_THREADS = 8;
/** Starting one takes some 70 ms. */
const IDLE_MS = 60_000;

interface Entry {
  thread: FileThread;
  idleTimer: NodeJS.Timeout;
}

/**
 * Every user with their own rights: a thread for each that has files handled at the moment, ended when it is idle for long or another
 * user needs its place. Any calls may run at once. Disposing it ends all threads.
 */
export class UserRights implements FileRights, AsyncDisposable {
  readonly #workerPath: string;
  /** By ids and groups: an account whose groups change gets a new one. The one used last is last. */
  readonly #threads = new Map<string, Entry>();
  #onePlace = Promise.withResolvers<void>();
  #poolIsWarm: Promise<unknown> | undefined;

  constructor(options: { workerPath: string }) {
    this.#workerPath = options.workerPath;
  }

  /** @throws SandboxError permission_denied when guestd is not root and `user` is somebody else */
  of(user: Identity): FileAccess {
    const own = process.geteuid?.() ?? 0;
    if (user.uid === own) return OWN_FILE_ACCESS;
    if (own === 0) return userFileAccess(user, this.#callAs(user));
    throw new SandboxError("permission_denied", `guestd runs as uid ${own} and cannot act as '${user.name}'`, {
      reason: "user_not_switchable",
      hint: "start guestd as root, or ask for no user",
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const entries = [...this.#threads.keys()].map((key) => this.#end(key));
    await Promise.all(entries);
  }

  #callAs(user: Identity): CallFile {
    const key = [user.uid, user.gid, ...user.groups].join(":");
    return (name, ...args) => {
      // Without a promise in between: calls of one turn of the event loop travel together.
      const thread = this.#known(key);
      return thread ? thread.call(name, ...args) : this.#start(key, user, (fresh) => fresh.call(name, ...args));
    };
  }

  #known(key: string): FileThread | undefined {
    const entry = this.#threads.get(key);
    if (!entry) return undefined;
    this.#threads.delete(key);
    this.#threads.set(key, entry);
    return entry.thread;
  }

  /** `use` is called before anybody can think the thread idle. */
  async #start<T>(key: string, user: Identity, use: (thread: FileThread) => Promise<T>): Promise<T> {
    // All threads of the pool are made at once, by its first use; later they would have the rights of whoever uses it first.
    this.#poolIsWarm ??= stat("/");
    await this.#poolIsWarm;
    for (;;) {
      const known = this.#known(key);
      if (known) return use(known);
      if (this.#threads.size < MAX_THREADS) return use(this.#add(key, user));
      await this.#makePlace();
    }
  }

  #add(key: string, user: Identity): FileThread {
    const thread = new FileThread({ workerPath: this.#workerPath, user, onIdle: () => this.#onIdle(key) });
    const idleTimer = setTimeout(() => this.#onLongIdle(key), IDLE_MS).unref();
    this.#threads.set(key, { thread, idleTimer });
    return thread;
  }

  /** Ends the thread that was idle for longest, or waits until one is. */
  async #makePlace(): Promise<void> {
    const idle = [...this.#threads].find(([, { thread }]) => thread.isIdle);
    if (idle) return this.#end(idle[0]);
    await this.#onePlace.promise;
  }

  #onIdle(key: string): void {
    const entry = this.#threads.get(key);
    entry?.idleTimer.refresh();
    if (entry?.thread.hasEnded) void this.#end(key);
    this.#onePlace.resolve();
    this.#onePlace = Promise.withResolvers();
  }

  #onLongIdle(key: string): void {
    const entry = this.#threads.get(key);
    if (entry?.thread.isIdle) void this.#end(key);
    else entry?.idleTimer.refresh();
  }

  async #end(key: string): Promise<void> {
    const entry = this.#threads.get(key);
    if (!entry) return;
    this.#threads.delete(key);
    clearTimeout(entry.idleTimer);
    await entry.thread[Symbol.asyncDispose]();
  }
}
