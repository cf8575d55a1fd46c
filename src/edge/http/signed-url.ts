import { timingSafeEqual } from "node:crypto";
import { SandboxError } from "../../errors.ts";
import { withoutTrailing } from "../../lib/without-trailing.ts";
import { type AccessControl, requestToken } from "../gate.ts";
import type { EdgeContext } from "../request-context.ts";

/** What a signature allows. */
export type FileOperation = "read" | "write";

/** Who may use signed URLs at this moment. */
export interface SigningAccess extends Pick<AccessControl, "state" | "isToken"> {
  /** SHA-256 of `before`, the token and `after`; undefined while there is no token. */
  digestAround(before: string, after: string): Buffer | undefined;
}

/** Lets a request through or throws unauthenticated. */
export type Authorize = (c: EdgeContext, operation: FileOperation) => void;

const SCHEME = "v1_";

/** What `/files` asks for instead of the token alone: the token, or a signature of what the URL says. */
export function signedUrls(access: SigningAccess, nowMs: () => number = Date.now): Authorize {
  return (c, operation) => {
    if (access.state === "open") return;
    const token = requestToken(c);
    if (token !== undefined) {
      if (access.isToken(token)) return;
      throw refused("access token present in header but does not match", "token_invalid");
    }
    const signature = c.req.query("signature");
    if (signature === undefined) throw refused("missing signature query parameter", "token_missing");
    const expiration = c.req.query("signature_expiration");
    const { path = "", username = "" } = c.req.query();
    const after = expiration === undefined ? "" : `:${BigInt(expiration)}`;
    const digest = access.digestAround(`${path}:${operation}:${username}:`, after);
    if (!digest || !isSame(signature, SCHEME + withoutTrailing(digest.toString("base64"), "="))) {
      throw refused("invalid signature", "token_invalid");
    }
    if (expiration !== undefined && Number(expiration) < Math.floor(nowMs() / 1000)) {
      throw refused("signature is already expired", "token_invalid");
    }
  };
}

function refused(message: string, reason: "token_missing" | "token_invalid"): SandboxError {
  return new SandboxError("unauthenticated", message, { reason });
}

/** Takes as long for a near miss as for a far one. */
function isSame(candidate: string, expected: string): boolean {
  const [a, b] = [Buffer.from(candidate), Buffer.from(expected)];
  return a.length === b.length && timingSafeEqual(a, b);
}
