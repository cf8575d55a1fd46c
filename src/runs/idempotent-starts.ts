import { createHash } from "node:crypto";
import { SandboxError } from "../errors.ts";
import { ExpiringMap } from "../lib/expiring-map.ts";

const MAX_AGE_MS = 24 * 3_600_000;
const MAX_KEYS = 10_000;

interface Started<T> {
  fingerprint: string;
  result: Promise<T>;
}

/**
 * Starts things once per key, however often and in whatever parallel they are asked for.
 * A start that failed is forgotten: asking again tries again.
 */
export class IdempotentStarts<T> {
  readonly #started = new ExpiringMap<string, Started<T>>({ maxAgeMs: MAX_AGE_MS, maxEntries: MAX_KEYS });

  /**
   * The result of `start`, called unless the key was seen before. Without a key it is always called.
   * `request` is everything that makes two requests the same.
   * @throws SandboxError invalid_argument (idempotency_mismatch) when the key was used for another request
   */
  async once(key: string | undefined, request: readonly (string | Uint8Array)[], start: () => Promise<T>): Promise<T> {
    if (key === undefined) return start();
    const fingerprint = fingerprintOf(request);
    const before = this.#started.get(key);
    if (before) {
      if (before.fingerprint === fingerprint) return before.result;
      throw new SandboxError(
        "invalid_argument",
        `Idempotency-Key ${JSON.stringify(key)} was used for another request`,
        {
          reason: "idempotency_mismatch",
          hint: "use a new key for a new request",
        },
      );
    }
    const started = { fingerprint, result: start() };
    this.#started.set(key, started);
    started.result.catch(() => this.#started.delete(key));
    return started.result;
  }
}

function fingerprintOf(parts: readonly (string | Uint8Array)[]): string {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(`${part.length}:`).update(part);
  return hash.digest("base64");
}
