import { delay } from "../lib/abort.ts";
import { awakeClock } from "../lib/awake-clock.ts";
import type { Logger } from "../log.ts";
import type { MetadataService } from "./metadata-service.ts";
import type { SandboxIdentity } from "./sandbox-identity.ts";

/** A service that has not said which sandbox this is by then never will. */
const LIMIT_MS = 60_000;
const FIRST_PAUSE_MS = 50;
const LAST_PAUSE_MS = 1000;

/** Asks the metadata service which sandbox this is, in the background, until it knows. At most one such search runs; a newer one takes over. */
export class IdentityPoll implements AsyncDisposable {
  readonly #service: MetadataService;
  readonly #identity: SandboxIdentity;
  readonly #log: Logger;
  #search: { stop: AbortController; done: Promise<void> } | undefined;

  constructor(deps: { service: MetadataService; identity: SandboxIdentity; log: Logger }) {
    this.#service = deps.service;
    this.#identity = deps.identity;
    this.#log = deps.log;
  }

  begin(): void {
    this.#search?.stop.abort();
    const stop = new AbortController();
    this.#search = { stop, done: this.#run(stop.signal) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#search?.stop.abort();
    await this.#search?.done;
  }

  /** Never rejects. */
  async #run(stop: AbortSignal): Promise<void> {
    const deadline = awakeClock.now() + LIMIT_MS;
    let failure = "";
    for (let pauseMs = FIRST_PAUSE_MS; awakeClock.now() < deadline; pauseMs = Math.min(pauseMs * 2, LAST_PAUSE_MS)) {
      try {
        const ids = await this.#service.read(stop);
        // What was asked for before a newer call may be of the sandbox that this one is a copy of.
        if (stop.aborted) return;
        if (ids.sandboxId !== undefined && ids.templateId !== undefined) {
          await this.#identity.tell(ids);
          return this.#log.info("identity.known", { sandboxId: ids.sandboxId, templateId: ids.templateId });
        }
        failure = "it does not know the ids";
      } catch (error) {
        if (stop.aborted) return;
        failure = error instanceof Error ? error.message : String(error);
      }
      await delay(pauseMs, stop).catch(() => undefined);
      if (stop.aborted) return;
    }
    this.#log.warn("identity.unknown", { error: failure });
  }
}
