import { createHash, type Hash } from "node:crypto";

/** What some bytes come to under a hash function. */
export interface Digest {
  algorithm: "sha256" | "sha512";
  value: Buffer;
}

/** Hashes bytes as they pass, to compare them with what they should come to. */
export class DigestCheck {
  readonly #expected: readonly { digest: Digest; hash: Hash }[];

  constructor(expected: readonly Digest[]) {
    this.#expected = expected.map((digest) => ({ digest, hash: createHash(digest.algorithm) }));
  }

  update(bytes: Uint8Array): void {
    for (const { hash } of this.#expected) hash.update(bytes);
  }

  /** Once, at the end: what came out other than expected. */
  mismatch(): { expected: Digest; actual: Digest } | undefined {
    for (const { digest, hash } of this.#expected) {
      const value = hash.digest();
      if (!value.equals(digest.value)) return { expected: digest, actual: { algorithm: digest.algorithm, value } };
    }
    return undefined;
  }
}
