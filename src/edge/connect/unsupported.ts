import type { EdgeContext } from "../request-context.ts";

/** 415 with the types that would have been taken. */
export function unsupportedContentType(c: EdgeContext, supported: readonly string[]): Response {
  return c.body(null, 415, { "Accept-Post": supported.join(", ") });
}
