import { ForkPipes } from "../host/fork-pipes.ts";
import { takeForkedChild } from "../host/forked-child.ts";
import type { Launcher } from "../host/launcher.ts";
import { signalProcess } from "../host/process-group.ts";
import type { ProgramChild } from "../host/program-child.ts";
import type { Identity } from "../host/users.ts";
import { delay } from "../lib/abort.ts";
import { LineSplitter } from "../lib/line-splitter.ts";
import { SandboxError } from "../errors.ts";
import { IdleOutput } from "./idle-output.ts";
import type { KernelOutput } from "./kernel.ts";
import { forkHelloRequest, forkRequest, type KernelMessage, parseMessage, reseedRequest } from "./protocol.ts";
import type { ForkServerProgram } from "./registry.ts";
import type { Environment } from "./types.ts";

export interface ForkServerOptions {
  launcher: Launcher;
  /** Where pipes are made. */
  pipesFolder: string;
  /** What it loads ahead of time, where that is installed. */
  modules: readonly string[];
}

const MAX_EVENT_BYTES = 64 * 1024;
/** Loading everything takes a second or two; on a machine where it takes longer than this, kernels are better started. */
const START_MS = 15_000;
/** A fork takes milliseconds. */
const FORK_MS = 5000;
/** After its requests have ended it ends by itself. */
const CLOSE_MS = 1000;

/**
 * A process that has loaded what kernels load and forks them on demand. Its kernels outlive it: each has a shim of its own.
 * Any number of forks may be asked for at once.
 */
export class ForkServer implements AsyncDisposable {
  /** Resolves when it has ended, whoever ended it. */
  readonly exited: Promise<void>;
  /** Resolves when it has loaded everything, if it lives to do so. What it forks before has the rest to load itself. */
  readonly loaded: Promise<void>;
  readonly #options: ForkServerOptions;
  readonly #server: ForkServerProgram;
  readonly #child: ProgramChild;
  readonly #replies: Replies;
  #lastId = 0;

  private constructor(options: ForkServerOptions, server: ForkServerProgram, child: ProgramChild, replies: Replies) {
    this.#options = options;
    this.#server = server;
    this.#child = child;
    this.#replies = replies;
    this.exited = child.exit.then(() => replies.end());
    this.loaded = replies.loaded.promise;
  }

  /** Starts one and resolves when it can fork. @throws SandboxError unavailable with its last words */
  static async start(server: ForkServerProgram, options: ForkServerOptions): Promise<ForkServer> {
    const { launcher, modules } = options;
    const replies = new Replies();
    const child = await launcher.start(server.program, (_stream, bytes) => replies.takeText(bytes), {
      onChannel: (bytes) => replies.take(bytes),
    });
    const forkServer = new ForkServer(options, server, child, replies);
    try {
      await forkServer.#ask("ready", forkHelloRequest(server.shimPath, modules), START_MS);
      return forkServer;
    } catch (error) {
      await forkServer[Symbol.asyncDispose]();
      throw error;
    }
  }

  get pid(): number {
    return this.#child.pid;
  }

  get user(): Identity {
    return this.#server.program.identity;
  }

  get env(): Environment {
    return this.#server.program.env;
  }

  /**
   * Forks a kernel with the variables `env`, in the fork server's directory.
   * @throws SandboxError unavailable when it refuses (what it has loaded is out of date), is gone or does not answer
   */
  async fork(env: Environment, output: KernelOutput): Promise<ProgramChild> {
    const { launcher, pipesFolder } = this.#options;
    // It would not answer before.
    if (launcher.freezer.isFrozen) await launcher.freezer.untilThawed();
    using pipes = await ForkPipes.open(pipesFolder, this.user);
    const id = String((this.#lastId += 1));
    const reply = await this.#ask(id, forkRequest(id, pipes.folder, env), FORK_MS);
    if (reply.type !== "forked") {
      throw unavailable(`the fork server refuses: ${reply.type === "refused" ? reply.why : reply.type}`);
    }
    const child = await takeForkedChild(pipes, reply.shimPid, output);
    launcher.watch(child);
    return child;
  }

  /** Later kernels draw other random numbers than those of a copy of this machine. */
  reseed(entropy: string): void {
    this.#child.writeRequest(reseedRequest(entropy)).catch(() => undefined);
  }

  async #ask(key: string, request: Buffer, atMostMs: number): Promise<KernelMessage> {
    const reply = this.#options.launcher.clock.withDeadline(this.#replies.wait(key), atMostMs, () =>
      unavailable("the fork server does not answer"),
    );
    // One that cannot be written to is dying: the wait hears of that.
    this.#child.writeRequest(request).catch(() => undefined);
    return reply;
  }

  /** Ends it, but not its kernels. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.closeRequests();
    if (await Promise.race([this.exited.then(() => true), delay(CLOSE_MS)])) return;
    await signalProcess(this.#child, "SIGKILL", { scope: "leader", waitMs: 0 }).catch(() => undefined); // it has ended
    await this.exited;
  }
}

/** What a fork server says, given to whoever waits for it. */
class Replies {
  readonly loaded = Promise.withResolvers<void>();
  readonly #lines = new LineSplitter({ maxLineBytes: MAX_EVENT_BYTES });
  readonly #waiting = new Map<string, PromiseWithResolvers<KernelMessage>>();
  readonly #words = new IdleOutput();
  #hasEnded = false;

  takeText(bytes: Uint8Array): boolean {
    this.#words.add("stderr", bytes);
    return true;
  }

  take(bytes: Buffer): boolean {
    for (const line of this.#lines.push(bytes)) {
      const message = parseMessage(line);
      if (!message) continue;
      if (message.type === "loaded" || (message.type === "ready" && !message.isLoading)) this.loaded.resolve();
      this.#waiting.get("id" in message ? message.id : message.type)?.resolve(message);
    }
    return true;
  }

  /** The answer to request `key`, or `ready`. @throws SandboxError unavailable when it ends before */
  async wait(key: string): Promise<KernelMessage> {
    if (this.#hasEnded) throw this.#ended();
    const answer = Promise.withResolvers<KernelMessage>();
    this.#waiting.set(key, answer);
    try {
      return await answer.promise;
    } finally {
      this.#waiting.delete(key);
    }
  }

  /** It is gone: nobody gets an answer any more. */
  end(): void {
    this.#hasEnded = true;
    for (const { reject } of this.#waiting.values()) reject(this.#ended());
  }

  #ended(): SandboxError {
    const words = this.#words.lastLine;
    return unavailable(`the fork server has ended${words === "" ? "" : `: ${words}`}`);
  }
}

function unavailable(message: string): SandboxError {
  return new SandboxError("unavailable", message, { reason: "kernel_unavailable" });
}
