import { createHash } from "node:crypto";
import { SandboxError } from "../errors.ts";
import { ExpiringMap } from "../lib/expiring-map.ts";
import type { Run } from "./run.ts";
import { statusLine } from "./run-view.ts";
import type { Runs } from "./runs.ts";

const MAX_AGE_MS = 24 * 3_600_000;
/** About 450 bytes each. */
const MAX_KEYS = 20_000;

/** What is known of a key. It outlives its run, so it holds neither that nor its log. */
interface Started {
  readonly fingerprint: string;
  /** Until the program runs. */
  starting: Promise<Run> | undefined;
  runId: string;
  /** How the run has ended, in a few words. */
  end: string | undefined;
}

/**
 * Starts runs once per key, however often and in whatever parallel they are asked for: for 24 hours, of the newest 20 000 keys.
 * A start that failed is forgotten: asking again tries again. A run that was forgotten is not: asking again is an error.
 */
export class IdempotentStarts {
  readonly #runs: Runs;
  /** By the digest of the key, which may be long. */
  readonly #started = new ExpiringMap<string, Started>({ maxAgeMs: MAX_AGE_MS, maxEntries: MAX_KEYS });

  constructor(deps: { runs: Runs }) {
    this.#runs = deps.runs;
  }

  /**
   * The run that `start` gives, called unless the key was seen before. Without a key it is always called.
   * `request` is everything that makes two requests the same.
   * @throws SandboxError invalid_argument (idempotency_mismatch) when the key was used for another request, not_found
   *   (run_forgotten) when its run is no longer kept
   */
  async once(
    key: string | undefined,
    request: readonly (string | Uint8Array)[],
    start: () => Promise<Run>,
  ): Promise<Run> {
    if (key === undefined) return start();
    const name = digestOf([key]);
    const fingerprint = digestOf(request);
    const before = this.#started.get(name);
    if (before) return this.#again(key, before, fingerprint);
    const started: Started = { fingerprint, starting: start(), runId: "", end: undefined };
    this.#started.set(name, started);
    try {
      return await this.#note(started);
    } catch (error) {
      if (this.#started.get(name) === started) this.#started.delete(name);
      throw error;
    }
  }

  async #note(started: Started): Promise<Run> {
    const run = (await started.starting) as Run;
    started.runId = run.id;
    started.starting = undefined;
    void run.ended.then((end) => (started.end = statusLine(end)));
    return run;
  }

  #again(key: string, { fingerprint, starting, runId, end }: Started, wanted: string): Run | Promise<Run> {
    const named = `Idempotency-Key ${JSON.stringify(key)}`;
    if (fingerprint !== wanted) {
      throw new SandboxError("invalid_argument", `${named} was used for another request`, {
        reason: "idempotency_mismatch",
        hint: "use a new key for a new request",
      });
    }
    const run = starting ?? this.#runs.find(runId);
    if (run) return run;
    throw new SandboxError("not_found", `${named} has started run ${runId}, which was forgotten; its end: ${end}`, {
      reason: "run_forgotten",
      hint: "its output is gone; to run it again, use a new key",
    });
  }
}

/** As one character a byte, which takes the least memory. */
function digestOf(parts: readonly (string | Uint8Array)[]): string {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(`${part.length}:`).update(part);
  return hash.digest("binary");
}
