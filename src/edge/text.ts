import { isUtf8 } from "node:buffer";
import { SandboxError } from "../errors.ts";
import type { EdgeContext } from "./request-context.ts";

/** What clients are told whose names are none that we could address. */
const HINT = "names that are not UTF-8 can be listed but not addressed; rename the file in the sandbox";

/** Bytes of a request as text. @throws SandboxError invalid_argument: another name than the one that was meant would be a different file */
export function textOf(bytes: Buffer, what: string): string {
  if (isUtf8(bytes)) return bytes.toString("utf8");
  throw new SandboxError("invalid_argument", `${what} is not UTF-8`, { hint: HINT });
}

/** The parameters of the query. @throws SandboxError invalid_argument when they are not UTF-8 */
export function queryOf(c: EdgeContext): Record<string, string> {
  const [, query = ""] = c.req.url.split("?", 2);
  // A percent sign that begins no escape stands for itself.
  for (const [escapes] of query.matchAll(/(?:%[0-9a-f]{2})+/gi)) {
    if (isUtf8(Buffer.from(escapes.replaceAll("%", ""), "hex"))) continue;
    throw new SandboxError("invalid_argument", `query is not UTF-8: ${escapes}`, { hint: HINT });
  }
  return c.req.query();
}
