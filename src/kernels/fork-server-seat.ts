import type { Identity } from "../host/users.ts";
import type { Logger } from "../log.ts";
import { ForkServer, type ForkServerOptions } from "./fork-server.ts";
import type { ForkServerProgram } from "./registry.ts";
import type { Environment } from "./types.ts";

export interface ForkServerSeatOptions extends ForkServerOptions {
  language: string;
  /** The program as it would be started now; undefined where there is none. */
  program: () => Promise<ForkServerProgram | undefined>;
  /** Whether one that was started with the variables `before` does for kernels with `after`. */
  isSameStart: (before: Environment, after: Environment) => boolean;
  /** From now on kernels have everything loaded that kernels of this server can have. */
  onLoaded: () => void;
  log: Logger;
}

/** After this many failures in a row the language does without. */
const MAX_FAILURES = 3;

/**
 * The place of a language's fork server. It holds one at most: started when first needed, replaced when it ends or no longer
 * suits. Whoever comes while it is replaced is not kept waiting; only the first one is worth waiting for.
 */
export class ForkServerSeat implements AsyncDisposable {
  readonly #options: ForkServerSeatOptions;
  #starting: Promise<ForkServer | undefined> | undefined;
  #server: ForkServer | undefined;
  #isLoaded = false;
  #wasReady = false;
  #failures = 0;
  #isClosed = false;
  #entropy: string | undefined;

  constructor(options: ForkServerSeatOptions) {
    this.#options = options;
  }

  /** Whether kernels that are forked now lack what later ones will have. */
  get isLoading(): boolean {
    return this.#starting !== undefined || (this.#server !== undefined && !this.#isLoaded);
  }

  /** The fork server, where one is ready for kernels of that user with these variables. */
  async current(user: Identity, env: Environment): Promise<ForkServer | undefined> {
    if (this.#server && !this.#suits(this.#server, user, env))
      this.replace(this.#server, "variables or user have changed");
    if (this.#server) return this.#server;
    const starting = this.#begin();
    const server = this.#wasReady ? undefined : await starting;
    return server && this.#suits(server, user, env) ? server : undefined;
  }

  /** `server` is of no use any more: another one is started in its place. */
  replace(server: ForkServer, reason: string): void {
    if (this.#server !== server) return;
    this.#server = undefined;
    this.#options.log.info("fork_server.replaced", { language: this.#options.language, reason });
    void server[Symbol.asyncDispose]();
    void this.#begin();
  }

  /** The server that is there, or is being started, gives its kernels other random numbers. */
  reseed(entropy: string): void {
    this.#entropy = entropy;
    this.#server?.reseed(entropy);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    const server = this.#server ?? (await this.#starting);
    await server?.[Symbol.asyncDispose]();
  }

  #suits(server: ForkServer, user: Identity, env: Environment): boolean {
    return server.user.uid === user.uid && this.#options.isSameStart(server.env, env);
  }

  /** Never rejects: without a fork server kernels are started. */
  async #begin(): Promise<ForkServer | undefined> {
    if (this.#isClosed || this.#failures >= MAX_FAILURES) return undefined;
    this.#starting ??= this.#start().finally(() => (this.#starting = undefined));
    return this.#starting;
  }

  async #start(): Promise<ForkServer | undefined> {
    const { program, log, language } = this.#options;
    const entropy = this.#entropy;
    try {
      const found = await program();
      if (!found) return undefined;
      const server = await ForkServer.start(found, this.#options);
      log.info("fork_server.ready", { language, pid: server.pid });
      this.#wasReady = true;
      this.#failures = 0;
      this.#isLoaded = false;
      if (!this.#isClosed) this.#server = server;
      void server.loaded.then(() => this.#noteLoaded(server));
      if (this.#entropy !== undefined && this.#entropy !== entropy) server.reseed(this.#entropy);
      void server.exited.then(() => this.#noteEnd(server));
      return server;
    } catch (error) {
      this.#failures += 1;
      log.warn("fork_server.failed", { language, error: error instanceof Error ? error.message : String(error) });
      return undefined;
    }
  }

  #noteLoaded(server: ForkServer): void {
    if (this.#server !== server || this.#isClosed) return;
    this.#isLoaded = true;
    this.#options.log.info("fork_server.loaded", { language: this.#options.language, pid: server.pid });
    this.#options.onLoaded();
  }

  #noteEnd(server: ForkServer): void {
    if (this.#server !== server || this.#isClosed) return;
    this.#server = undefined;
    this.#options.log.warn("fork_server.died", { language: this.#options.language, pid: server.pid });
    void this.#begin();
  }
}
