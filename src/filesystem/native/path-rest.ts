import type { EdgeContext } from "../../edge/request-context.ts";
import { textOf } from "../../edge/text.ts";
import type { Caller } from "../filesystem.ts";

export const FILES_PREFIX = "/v1/files";

/**
 * The path that the URL names: what comes after `/v1/files`, its percent-encoded bytes decoded; `/~` and `/~/x` are in the user's home.
 * @throws SandboxError invalid_argument
 */
export function pathOf(c: EdgeContext): string {
  const encoded = new URL(c.req.url).pathname.slice(FILES_PREFIX.length);
  const bytes = decodePercent(encoded);
  const path = textOf(bytes, `path ${JSON.stringify(encoded)}`);
  if (path === "") return "/";
  return /^\/~(?:\/|$)/.test(path) ? path.slice(1) : path;
}

/** Who asks: `?user=`, else the name of Basic authentication, else the default user; long work ends when the client is gone. */
export function callerOf(c: EdgeContext, user: string | undefined): Caller {
  return { user: user ?? c.var.request.user, signal: c.var.request.signal };
}

/** `/a%20b` → its bytes; what is no escape stands for itself. */
function decodePercent(text: string): Buffer {
  const bytes = Buffer.from(text);
  let length = 0;
  for (let at = 0; at < bytes.length; length += 1) {
    const escape = /^%([0-9a-f]{2})$/i.exec(bytes.toString("latin1", at, at + 3));
    bytes[length] = escape ? Number.parseInt(escape[1] ?? "", 16) : (bytes[at] ?? 0);
    at += escape ? 3 : 1;
  }
  return bytes.subarray(0, length);
}
