import { SandboxError } from "../../errors.ts";
import type { Digest } from "../../lib/digest.ts";
import type { HeaderReader } from "./conditions.ts";

/** Names of hash functions as the headers have them. */
const ALGORITHMS: Readonly<Record<string, { algorithm: Digest["algorithm"]; bytes: number }>> = {
  "sha-256": { algorithm: "sha256", bytes: 32 },
  "sha-512": { algorithm: "sha512", bytes: 64 },
};

/** Digests of the bytes of this request, and of the whole file after it. */
export interface RequestDigests {
  ofBody: readonly Digest[];
  ofWhole: readonly Digest[];
}

/**
 * Reads `Content-Digest` (of the body), `Repr-Digest` and the older `Digest` (of the whole). Of several, all must be right; hash functions
 * that we do not have are passed over.
 * @throws SandboxError invalid_argument when a header has none that we could check
 */
export function readDigests(header: HeaderReader): RequestDigests {
  return {
    ofBody: readHeader(header, "content-digest"),
    ofWhole: [...readHeader(header, "repr-digest"), ...readHeader(header, "digest")],
  };
}

function readHeader(header: HeaderReader, name: string): Digest[] {
  const text = header(name);
  if (text === undefined) return [];
  const digests = text.split(",").flatMap((item) => readItem(item.trim()) ?? []);
  if (digests.length > 0) return digests;
  throw new SandboxError("invalid_argument", `${name}: no digest in ${JSON.stringify(text)} that can be checked`, {
    hint: "send sha-256=:BASE64: or sha-512=:BASE64:",
  });
}

/** `sha-256=:BASE64:`, or `SHA-256=BASE64` of the older header. */
function readItem(item: string): Digest | undefined {
  const [, name = "", base64 = ""] = /^([\w-]+)=:?([\w+/=-]+):?$/.exec(item) ?? [];
  const known = ALGORITHMS[name.toLowerCase()];
  const value = Buffer.from(base64, "base64");
  return known && value.length === known.bytes ? { algorithm: known.algorithm, value } : undefined;
}
