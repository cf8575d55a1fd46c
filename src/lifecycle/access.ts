import { createHash, timingSafeEqual } from "node:crypto";
import { SandboxError } from "../errors.ts";

/**
 * Whether requests need a token, and which. `open`: none; `locked`: reachable from outside and waiting for the first
 * `/init`, which decides; `token`: this one for good. A token can be added where there is none, never changed or cleared.
 */
export class Access {
  #token: string | undefined;
  /** Of the token, once there was one to compare with it. */
  #tokenDigest: Buffer | undefined;
  #isLocked: boolean;

  constructor(options: { token: string | undefined; isLocked: boolean }) {
    this.#token = options.token;
    this.#isLocked = options.isLocked;
  }

  get state(): "token" | "locked" | "open" {
    if (this.#token !== undefined) return "token";
    return this.#isLocked ? "locked" : "open";
  }

  /** Compares in constant time. */
  isToken(candidate: string): boolean {
    if (this.#token === undefined) return false;
    this.#tokenDigest ??= digest(this.#token);
    return timingSafeEqual(this.#tokenDigest, digest(candidate));
  }

  /**
   * Whether `candidate` may initialise: the token if there is one; else any, or with `firstTokenHash` (SHA-512 in hexadecimal digits)
   * the one that has it. The hash of nothing lets in who brings none.
   * @throws SandboxError unauthenticated
   */
  checkInitialize(candidate: string | undefined, firstTokenHash?: string): void {
    const hasToken = this.#token !== undefined;
    if (hasToken ? candidate !== undefined && this.isToken(candidate) : hasHash(candidate ?? "", firstTokenHash))
      return;
    const message = candidate === undefined ? "access token reset not authorized" : "access token validation failed";
    throw new SandboxError("unauthenticated", message, {
      reason: candidate === undefined ? "token_missing" : "token_invalid",
    });
  }

  /** Unlocks, and takes `token`, which was checked, if there is none yet. @throws SandboxError unauthenticated for another one than there is */
  initialize(token: string | undefined): void {
    this.checkInitialize(token);
    this.#isLocked = false;
    this.#token ??= token;
  }

  /** SHA-256 of `before`, the token and `after`; undefined while there is no token. */
  digestAround(before: string, after: string): Buffer | undefined {
    return this.#token === undefined ? undefined : digest(before + this.#token + after);
  }
}

function hasHash(text: string, hash: string | undefined): boolean {
  if (hash === undefined) return true;
  const given = Buffer.from(hash.toLowerCase());
  const own = Buffer.from(createHash("sha512").update(text).digest("hex"));
  return given.length === own.length && timingSafeEqual(given, own);
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
