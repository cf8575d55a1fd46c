import type { IncomingMessage } from "node:http";
import { PatchQuery, WriteQuery } from "../../contracts/native-files.ts";
import { readDigests } from "../../edge/http/digest.ts";
import { inflated, isGzipBody, uploadBody } from "../../edge/http/upload-body.ts";
import type { EdgeContext } from "../../edge/request-context.ts";
import { parseQuery } from "../../edge/validate.ts";
import { SandboxError } from "../../errors.ts";
import type { AtomicResult, AtomicWrites } from "../atomic-writes.ts";
import { digested } from "../digests.ts";
import type { Caller, Filesystem } from "../filesystem.ts";
import type { PartialWrites } from "../partial-writes.ts";
import { etagOf, expectationOf } from "./conditions-rest.ts";
import { nativeEntry } from "./entry-rest.ts";
import { callerOf, pathOf } from "./path-rest.ts";

export interface Writing {
  filesystem: Filesystem;
  atomicWrites: AtomicWrites;
  partialWrites: PartialWrites;
  /** How long a client may pause. */
  uploadIdleMs: number;
}

/** Answers `PUT`: the body becomes the file, or its end. */
export async function putFile(c: EdgeContext, { filesystem, atomicWrites, uploadIdleMs }: Writing): Promise<Response> {
  const { user, append: isAppended = false, durable: isDurable = false, mode } = parseQuery(c, WriteQuery);
  if (c.req.header("content-range") !== undefined) {
    throw new SandboxError("invalid_argument", "Content-Range cannot be with PUT", { hint: "send a part with PATCH" });
  }
  const { ofBody, ofWhole } = readDigests((name) => c.req.header(name));
  if (isAppended && ofWhole.length > 0) {
    throw new SandboxError("invalid_argument", "a digest of the whole file cannot be checked with append", {
      hint: "send Content-Digest: it is of the body",
    });
  }
  const { incoming } = c.env;
  const isGzip = isGzipBody(incoming.headers["content-encoding"]);
  const received = digested(uploadBody(incoming, { idleMs: uploadIdleMs }), ofBody);
  const body = digested(isGzip ? inflated(received) : received, ofWhole);
  const caller = callerOf(c, user);
  const result = await atomicWrites.save(
    { path: pathOf(c), body, mode, isAppended, isDurable, declaredBytes: declared(incoming), expect: expectationOf(c) },
    caller,
  );
  return written(c, result, { filesystem, caller });
}

/** Answers `PATCH`: the body becomes a part of the file. */
export async function patchFile(c: EdgeContext, deps: Writing): Promise<Response> {
  const { user, durable: isDurable = false } = parseQuery(c, PatchQuery);
  const { incoming } = c.env;
  const path = pathOf(c);
  const part = contentRange(c.req.header("content-range"));
  if (isGzipBody(incoming.headers["content-encoding"])) {
    throw new SandboxError(
      "invalid_argument",
      "a part of a file cannot be compressed: its range counts bytes of the file",
    );
  }
  const length = declared(incoming);
  if (length !== undefined && length !== part.end - part.start) {
    throw new SandboxError(
      "invalid_argument",
      `Content-Range is of ${part.end - part.start} bytes, the body of ${length}`,
    );
  }
  const caller = callerOf(c, user);
  const { ofBody, ofWhole } = readDigests((name) => c.req.header(name));
  const body = digested(uploadBody(incoming, { idleMs: deps.uploadIdleMs }), ofBody);
  const areAllChecked = ofBody.length > 0;
  const write = { ...part, path, body, isDurable, areAllChecked, wholeDigests: ofWhole, expect: expectationOf(c) };
  try {
    return await written(c, await deps.partialWrites.write(write, caller), { filesystem: deps.filesystem, caller });
  } catch (error) {
    if (error instanceof SandboxError && error.reason === "range_not_satisfiable") {
      c.env.outgoing.setHeader("Content-Range", `bytes */${await currentBytes(deps.filesystem, path, caller)}`);
    }
    throw error;
  }
}

async function written(
  c: EdgeContext,
  result: AtomicResult,
  { filesystem, caller }: { filesystem: Filesystem; caller: Caller },
): Promise<Response> {
  const { path, isNew, isAtomic: atomic, state } = result;
  const etag = etagOf(state);
  const entry = await filesystem.stat(path, caller);
  return c.json({ ...nativeEntry(entry), etag: etag ?? null, atomic }, isNew ? 201 : 200, etag ? { ETag: etag } : {});
}

/** `bytes 0-1023/4096`, or `…/*` while the whole is not known. */
function contentRange(header: string | undefined): { start: number; end: number; totalBytes: number | undefined } {
  const [, first, last, total] = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15}|\*)$/.exec(header?.trim() ?? "") ?? [];
  const [start, end] = [Number(first), Number(last) + 1];
  const totalBytes = total === "*" ? undefined : Number(total);
  if (first !== undefined && start < end && (totalBytes === undefined || end <= totalBytes)) {
    return { start, end, totalBytes };
  }
  throw new SandboxError("invalid_argument", `Content-Range ${JSON.stringify(header ?? "")} names no part of a file`, {
    hint: "send Content-Range: bytes FIRST-LAST/TOTAL (or /*), counted from 0, LAST included",
  });
}

async function currentBytes(filesystem: Filesystem, path: string, caller: Caller): Promise<number> {
  try {
    return (await filesystem.stat(path, caller)).sizeBytes;
  } catch {
    return 0; // there is none
  }
}

function declared(incoming: IncomingMessage): number | undefined {
  const length = incoming.headers["content-length"];
  return length === undefined ? undefined : Number(length);
}
