import { closeSync, fstatSync, openSync, statSync } from "node:fs";
import { errnoName, fromErrno, SandboxError } from "../errors.ts";
import { longTimeout } from "../lib/long-timeout.ts";
import { Mutex } from "../lib/mutex.ts";
import { freezeFileSystem, thawFileSystem } from "./libc-file-systems.ts";

export interface FrozenFileSystemOptions {
  /** A directory on the one that may be frozen; undefined: none may. */
  path: string | undefined;
  /** What guestd itself writes to, now and then on its only thread: it must be able to hear the thaw. */
  stateDirectory: string;
}

/** Nobody means to freeze one for longer: whoever was to thaw it is gone. */
const MAX_FROZEN_MS = 600_000;

/**
 * Freezes a file system, and thaws it: meanwhile all who write to it wait. One call at a time; each may be repeated. Disposing thaws
 * what was frozen here, since nothing that waits for it can be ended.
 */
export class FrozenFileSystem implements AsyncDisposable {
  readonly #options: FrozenFileSystemOptions;
  readonly #mutex = new Mutex();
  #watchdog: Disposable | undefined;
  #isClosed = false;

  constructor(options: FrozenFileSystemOptions) {
    this.#options = options;
  }

  /**
   * @throws SandboxError failed_precondition (not to be frozen), unavailable (guestd ends), the system's failure; the reason of `signal` when that aborts before
   *   it begins
   */
  async freeze(signal: AbortSignal): Promise<void> {
    using _turn = await this.#mutex.lock(signal);
    if (this.#isClosed) throw new SandboxError("unavailable", "guestd is ending");
    using directory = openDirectory(this.#path());
    this.#checkFreezable(directory.fd);
    try {
      await freezeFileSystem(directory.fd);
    } catch (error) {
      // Frozen already.
      if (errnoName(error) !== "EBUSY") throw fromErrno(error, "cannot freeze the file system");
    }
    this.#watchdog?.[Symbol.dispose]();
    this.#watchdog = longTimeout(() => this.#thawAtOnce(), MAX_FROZEN_MS);
  }

  /** @throws SandboxError as {@link freeze} */
  async thaw(signal: AbortSignal): Promise<void> {
    using _turn = await this.#mutex.lock(signal);
    this.#thawNow();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    using _turn = await this.#mutex.lock();
    if (this.#watchdog) this.#thawAtOnce();
  }

  #thawAtOnce(): void {
    try {
      this.#thawNow();
    } catch {
      // It cannot be thawed any more: it is gone.
    }
  }

  #thawNow(): void {
    using directory = openDirectory(this.#path());
    try {
      thawFileSystem(directory.fd);
    } catch (error) {
      // Not frozen.
      if (errnoName(error) !== "EINVAL") throw fromErrno(error, "cannot thaw the file system");
    }
    this.#watchdog?.[Symbol.dispose]();
    this.#watchdog = undefined;
  }

  #path(): string {
    const { path } = this.#options;
    if (path !== undefined) return path;
    throw new SandboxError("failed_precondition", "no file system is to be frozen", {
      hint: "start guestd with --freezable-fs / where the machine is the sandbox's own",
    });
  }

  #checkFreezable(directory: number): void {
    if (fstatSync(directory).dev !== statSync(this.#options.stateDirectory).dev) return;
    throw new SandboxError(
      "failed_precondition",
      "guestd's state directory is on the file system that is to be frozen",
      {
        hint: "start guestd with --state-dir on another one, such as /run/guestd",
      },
    );
  }
}

function openDirectory(path: string): Disposable & { fd: number } {
  try {
    const fd = openSync(path, "r");
    return { fd, [Symbol.dispose]: () => closeSync(fd) };
  } catch (error) {
    throw fromErrno(error, `cannot open ${JSON.stringify(path)}`);
  }
}
