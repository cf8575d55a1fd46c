import { posix } from "node:path";
import { setImmediate as othersTurn } from "node:timers/promises";
import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import { ReadQuery } from "../../contracts/native-files.ts";
import { pump } from "../../edge/pump.ts";
import type { EdgeContext } from "../../edge/request-context.ts";
import { parseQuery } from "../../edge/validate.ts";
import { withoutTrailing } from "../../lib/without-trailing.ts";
import { download } from "../download-rest.ts";
import type { Downloads } from "../downloads.ts";
import type { Caller, Filesystem } from "../filesystem.ts";
import type { Entry } from "../types.ts";
import { entryHeaders, lsLine, nativeEntry } from "./entry-rest.ts";
import { callerOf, pathOf } from "./path-rest.ts";

/** Encoded in one go before others get their turn. */
const SLICE_MS = 2;
const SLICE_ENTRIES = 64;

export interface Reading {
  filesystem: Filesystem;
  downloads: Downloads;
}

/** Answers `GET` and `HEAD`: a file is read, a directory listed; of anything else `HEAD` and `?stat` tell what it is. */
export async function readPath(c: EdgeContext, { filesystem, downloads }: Reading): Promise<Response> {
  const { user, depth = 1, stat = false } = parseQuery(c, ReadQuery);
  const path = pathOf(c);
  const caller = callerOf(c, user);
  const entry = await filesystem.stat(path, caller);
  for (const [name, value] of Object.entries(entryHeaders(entry))) c.env.outgoing.setHeader(name, value);
  if (stat) return c.json(nativeEntry(entry), 200, lastModified(entry));
  if (entry.type === "file" || (entry.type === "other" && c.req.method === "GET")) {
    return download(c, downloads, path, caller);
  }
  if (entry.type === "other") return c.body(null, 200, lastModified(entry));
  return list(c, entry, await listing(c, { filesystem, path, depth, caller }));
}

interface ListingRequest {
  filesystem: Filesystem;
  path: string;
  depth: number;
  caller: Caller;
}

/** Nobody reads the directory for the headers alone. */
async function listing(c: EdgeContext, { filesystem, path, depth, caller }: ListingRequest): Promise<Entry[]> {
  return c.req.method === "HEAD" ? [] : filesystem.list(path, depth, caller);
}

async function list(c: EdgeContext, directory: Entry, entries: readonly Entry[]): Promise<Response> {
  const accept = c.req.header("accept")?.toLowerCase() ?? "";
  const isText = accept.includes("text/plain") && !accept.includes("application/json");
  const type = isText ? "text/plain; charset=utf-8" : "application/json";
  const headers = { "Content-Type": type, Vary: "Accept", ...lastModified(directory) };
  if (c.req.method === "HEAD") return c.body(null, 200, headers);
  const lines = isText ? textOf(directory, entries) : jsonOf(directory, entries);
  await pump(inSlices(lines), c.env.outgoing, { headers });
  return RESPONSE_ALREADY_SENT;
}

function* textOf(directory: Entry, entries: readonly Entry[]): Generator<string> {
  const prefix = withoutTrailing(posix.normalize(directory.path), "/").length + 1;
  for (const entry of entries) yield lsLine({ ...entry, name: entry.path.slice(prefix) || entry.name });
}

function* jsonOf(directory: Entry, entries: readonly Entry[]): Generator<string> {
  yield `{"path":${JSON.stringify(directory.path)},"entries":[`;
  for (const [index, entry] of entries.entries()) {
    yield (index === 0 ? "" : ",") + JSON.stringify(nativeEntry(entry));
  }
  yield "]}\n";
}

/** Some pieces at a time, and after a while of it a pause: a directory of any size keeps nobody waiting. */
async function* inSlices(pieces: Iterable<string>): AsyncGenerator<Buffer> {
  let slice: string[] = [];
  let beganAt = performance.now();
  for (const piece of pieces) {
    if (slice.push(piece) < SLICE_ENTRIES) continue;
    yield Buffer.from(slice.join(""));
    slice = [];
    if (performance.now() - beganAt < SLICE_MS) continue;
    await othersTurn();
    beganAt = performance.now();
  }
  yield Buffer.from(slice.join(""));
}

function lastModified({ modifiedTime }: Entry): Record<string, string> {
  return modifiedTime ? { "Last-Modified": new Date(modifiedTime.seconds * 1000).toUTCString() } : {};
}
