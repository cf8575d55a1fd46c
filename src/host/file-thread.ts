import { Worker } from "node:worker_threads";
import { SandboxError } from "../errors.ts";
import type { FileCallReply, FileCallRequest, FileCalls } from "./file-calls.ts";
import type { Identity } from "./users.ts";

/** Makes one file call somewhere else. */
export type CallFile = <N extends keyof FileCalls>(
  name: N,
  ...args: Parameters<FileCalls[N]>
) => Promise<ReturnType<FileCalls[N]>>;

/**
 * One thread that makes file calls with the rights of a user, in the order of asking. Calls made in one turn of the event loop travel
 * together: a list of thousands is not thousands of messages.
 */
export class FileThread implements AsyncDisposable {
  readonly #user: Identity;
  readonly #worker: Worker;
  readonly #onIdle: () => void;
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  #outbox: FileCallRequest[] = [];
  #lastId = 0;
  #hasEnded = false;

  /** `onIdle` is called whenever no call is left, and when the thread has ended by itself. */
  constructor(options: { workerPath: string; user: Identity; onIdle: () => void }) {
    this.#user = options.user;
    this.#onIdle = options.onIdle;
    this.#worker = new Worker(options.workerPath, {
      workerData: options.user,
      env: {},
      // What it opens is ours, and stays open when it ends.
      trackUnmanagedFds: false,
    });
    this.#worker.unref();
    this.#worker.on("message", this.#onReplies).on("error", this.#onFailure).on("exit", this.#onFailure);
  }

  get isIdle(): boolean {
    return this.#waiting.size === 0;
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  readonly call: CallFile = (name, ...args) => {
    const waiting = Promise.withResolvers<unknown>();
    if (this.#hasEnded) waiting.reject(this.#failure(undefined));
    else this.#post({ id: ++this.#lastId, name, args }, waiting);
    return waiting.promise as ReturnType<typeof this.call<typeof name>>;
  };

  async [Symbol.asyncDispose](): Promise<void> {
    this.#onFailure(undefined);
    await this.#worker.terminate();
  }

  #post(request: FileCallRequest, waiting: PromiseWithResolvers<unknown>): void {
    this.#waiting.set(request.id, waiting);
    this.#outbox.push(request);
    if (this.#outbox.length === 1) queueMicrotask(this.#send);
  }

  readonly #send = (): void => {
    const requests = this.#outbox;
    this.#outbox = [];
    this.#worker.postMessage(requests);
  };

  readonly #onReplies = (replies: FileCallReply[]): void => {
    for (const reply of replies) {
      const waiting = this.#waiting.get(reply.id);
      this.#waiting.delete(reply.id);
      if ("value" in reply) waiting?.resolve(reply.value);
      else waiting?.reject(Object.assign(new Error(reply.error.message), reply.error));
    }
    if (this.isIdle) this.#onIdle();
  };

  readonly #onFailure = (cause: unknown): void => {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    for (const waiting of this.#waiting.values()) waiting.reject(this.#failure(cause));
    this.#waiting.clear();
    this.#onIdle();
  };

  #failure(cause: unknown): SandboxError {
    return new SandboxError("internal", `the thread that handles files of '${this.#user.name}' has ended`, { cause });
  }
}
