import { allowsChange } from "../../edge/http/conditions.ts";
import type { EdgeContext } from "../../edge/request-context.ts";
import { SandboxError } from "../../errors.ts";
import type { Expectation } from "../atomic-writes.ts";
import type { FileState } from "../downloads.ts";

const HEADERS = ["if-match", "if-none-match", "if-unmodified-since"];

/** What a request with conditional headers expects of the file; undefined: anything. */
export function expectationOf(c: EdgeContext): Expectation | undefined {
  if (!HEADERS.some((name) => c.req.header(name) !== undefined)) return undefined;
  return (state) => {
    const now = state && { etag: etagOf(state), lastModifiedMs: Math.floor(state.modifiedMs / 1000) * 1000 };
    if (allowsChange((name) => c.req.header(name), now)) return;
    const present = now ? `is there with ETag ${now.etag ?? "unknown"}` : "is not there";
    throw new SandboxError("failed_precondition", `the file is not as the request expects it to be: it ${present}`, {
      reason: "precondition_failed",
      hint: "read it again, and decide anew",
    });
  };
}

/** The strong validator of a state, in its quotes. */
export function etagOf(state: FileState | undefined): string | undefined {
  return state?.version === undefined ? undefined : `"${state.version}"`;
}
