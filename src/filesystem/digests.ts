import { SandboxError } from "../errors.ts";
import { type Digest, DigestCheck } from "../lib/digest.ts";

/** A body that fails at its end unless its bytes come to `expected`. @throws SandboxError invalid_argument (digest_mismatch) */
export async function* digested(body: AsyncIterable<Buffer>, expected: readonly Digest[]): AsyncGenerator<Buffer> {
  const check = new DigestCheck(expected);
  for await (const chunk of body) {
    check.update(chunk);
    yield chunk;
  }
  checkDigests(check, "the body");
}

/** @throws SandboxError invalid_argument (digest_mismatch) */
export function checkDigests(check: DigestCheck, what: string): void {
  const mismatch = check.mismatch();
  if (!mismatch) return;
  const { expected, actual } = mismatch;
  const [wanted, came] = [expected.value.toString("base64"), actual.value.toString("base64")];
  throw new SandboxError("invalid_argument", `${expected.algorithm} of ${what} is ${came}, not ${wanted}`, {
    reason: "digest_mismatch",
    hint: "nothing was written; send the bytes again",
  });
}
