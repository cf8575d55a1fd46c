/** What identifies the present state of a resource; parts that nothing is known of are undefined. */
export interface Validators {
  /** With its quotes. */
  etag: string | undefined;
  /** In whole seconds, as HTTP has it. */
  lastModifiedMs: number | undefined;
}

/** Reads one request header. */
export type HeaderReader = (name: string) => string | undefined;

/** The conditional headers that make an answer depend on the bytes as they are. */
export const CONDITIONAL_HEADERS = ["range", "if-modified-since", "if-none-match", "if-range"] as const;

/** Evaluates the conditions of a GET or HEAD in the order of RFC 9110 §13.2.2. */
export function evaluateConditions(header: HeaderReader, now: Validators): "proceed" | "not_modified" | "failed" {
  const ifMatch = header("if-match");
  if (ifMatch !== undefined && !lists(ifMatch, now.etag, { allowsWeak: false })) return "failed";
  if (ifMatch === undefined && isModifiedSince(header("if-unmodified-since"), now) === true) return "failed";
  const ifNoneMatch = header("if-none-match");
  if (ifNoneMatch !== undefined) return lists(ifNoneMatch, now.etag, { allowsWeak: true }) ? "not_modified" : "proceed";
  return isModifiedSince(header("if-modified-since"), now) === false ? "not_modified" : "proceed";
}

/** Whether the conditions of a request that changes something hold; `now` is undefined while nothing is there. */
export function allowsChange(header: HeaderReader, now: Validators | undefined): boolean {
  const ifMatch = header("if-match");
  if (ifMatch !== undefined && !(now && lists(ifMatch, now.etag, { allowsWeak: false }))) return false;
  if (ifMatch === undefined && now && isModifiedSince(header("if-unmodified-since"), now) === true) return false;
  const ifNoneMatch = header("if-none-match");
  return !(ifNoneMatch !== undefined && now && lists(ifNoneMatch, now.etag, { allowsWeak: true }));
}

/** Whether `If-Range`, if there is one, says that the client has parts of what is there now. */
export function allowsRange(header: HeaderReader, now: Validators): boolean {
  const ifRange = header("if-range")?.trim();
  if (ifRange === undefined) return true;
  if (ifRange.endsWith('"')) return ifRange === now.etag;
  return now.lastModifiedMs !== undefined && Date.parse(ifRange) === now.lastModifiedMs;
}

function lists(header: string, etag: string | undefined, options: { allowsWeak: boolean }): boolean {
  if (header.trim() === "*") return true;
  if (etag === undefined) return false;
  const tags = header.match(/(?:W\/)?"[^"]*"/g) ?? [];
  return tags.some((tag) => tag === etag || (options.allowsWeak && tag === `W/${etag}`));
}

/** Undefined when it cannot be told. */
function isModifiedSince(header: string | undefined, now: Validators): boolean | undefined {
  const sinceMs = header === undefined ? Number.NaN : Date.parse(header);
  if (Number.isNaN(sinceMs) || now.lastModifiedMs === undefined) return undefined;
  return now.lastModifiedMs > sinceMs;
}
