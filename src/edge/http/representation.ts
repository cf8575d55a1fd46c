import { SandboxError } from "../../errors.ts";
import { readAcceptEncoding } from "./accept-encoding.ts";
import { type ByteRange, readRanges } from "./byte-range.ts";
import { type BodyPiece, byteranges, contentRange } from "./byteranges.ts";
import {
  allowsRange,
  CONDITIONAL_HEADERS,
  evaluateConditions,
  type HeaderReader,
  type Validators,
} from "./conditions.ts";
import { inlineDisposition } from "./content-disposition.ts";
import { isCompressible, mediaType } from "./media-type.ts";

/** Smaller bodies gain nothing from compression. */
const MIN_GZIP_BYTES = 4096;

/** What can be answered with. */
export interface Resource {
  name: string;
  /** Its first bytes. */
  head: Buffer;
  /** Undefined while nobody knows. */
  sizeBytes: number | undefined;
  modifiedMs: number;
  /** Changes whenever the content does; undefined where nothing tells. */
  version: string | undefined;
}

/** How to answer a GET or HEAD. */
export interface Representation {
  status: 200 | 206 | 304;
  headers: Record<string, string>;
  coding: "identity" | "gzip";
  /** What to send, before any coding; undefined: all there is. */
  pieces: readonly BodyPiece[] | undefined;
}

/**
 * Chooses coding, range and headers for a request. An answer with status 416 needs a `Content-Range` with the size besides.
 * @throws SandboxError not_acceptable (406), precondition_failed (412), range_not_satisfiable (416)
 */
export function represent(resource: Resource, header: HeaderReader): Representation {
  const type = mediaType(resource.name, resource.head);
  const headers: Record<string, string> = {
    "Content-Type": type,
    "Content-Disposition": inlineDisposition(resource.name),
  };
  if (chooseCoding(resource, type, header) === "gzip") {
    return { status: 200, headers: { ...headers, "Content-Encoding": "gzip" }, coding: "gzip", pieces: undefined };
  }
  return asItIs(resource, headers, header);
}

function chooseCoding(resource: Resource, type: string, header: HeaderReader): "identity" | "gzip" {
  const { preferred, allowsIdentity } = readAcceptEncoding(header("accept-encoding"));
  if (!preferred) {
    throw notAcceptable("error parsing Accept-Encoding: no acceptable encoding found, supported: [gzip]");
  }
  if (CONDITIONAL_HEADERS.some((name) => header(name) !== undefined)) {
    if (allowsIdentity) return "identity";
    throw notAcceptable("identity encoding not acceptable for Range or conditional request");
  }
  const isWorth = isCompressible(type) && (resource.sizeBytes ?? Number.POSITIVE_INFINITY) >= MIN_GZIP_BYTES;
  return preferred === "gzip" && (isWorth || !allowsIdentity) ? "gzip" : "identity";
}

function asItIs(resource: Resource, described: Record<string, string>, header: HeaderReader): Representation {
  const now = validatorsOf(resource);
  const headers = { ...described, ...now.headers };
  const outcome = evaluateConditions(header, now);
  if (outcome === "not_modified") return { status: 304, headers: now.headers, coding: "identity", pieces: undefined };
  if (outcome === "failed") {
    throw new SandboxError("failed_precondition", "the file is not as the request expects it to be", {
      reason: "precondition_failed",
    });
  }
  const { sizeBytes } = resource;
  if (sizeBytes === undefined) return { status: 200, headers, coding: "identity", pieces: undefined };
  const ranges = now.etag && allowsRange(header, now) ? readRanges(header("range"), sizeBytes) : undefined;
  if (ranges === "unsatisfiable") {
    throw new SandboxError("out_of_range", `the range is not within the ${sizeBytes} bytes of the file`, {
      reason: "range_not_satisfiable",
    });
  }
  if (!ranges) {
    const all = { start: 0, end: sizeBytes };
    return { status: 200, headers: { ...headers, ...lengthOf(all) }, coding: "identity", pieces: [all] };
  }
  return { status: 206, coding: "identity", ...partial(ranges, headers, sizeBytes) };
}

/** One range is the body itself, several are parts of one. */
function partial(
  ranges: readonly ByteRange[],
  headers: Record<string, string>,
  sizeBytes: number,
): Pick<Representation, "headers" | "pieces"> {
  const [range, second] = ranges;
  if (range && !second) {
    return {
      headers: { ...headers, ...lengthOf(range), "Content-Range": contentRange(range, sizeBytes) },
      pieces: [range],
    };
  }
  const body = byteranges(ranges, { type: headers["Content-Type"] ?? "", sizeBytes });
  return {
    headers: { ...headers, "Content-Type": body.type, "Content-Length": String(body.lengthBytes) },
    pieces: body.pieces,
  };
}

function lengthOf({ start, end }: ByteRange): Record<string, string> {
  return { "Content-Length": String(end - start) };
}

/** Content that the kernel makes up has no state to compare with, and no parts to ask for. */
function validatorsOf(resource: Resource): Validators & { headers: Record<string, string> } {
  if (resource.version === undefined) return { etag: undefined, lastModifiedMs: undefined, headers: {} };
  const etag = `"${resource.version}"`;
  const lastModifiedMs = Math.floor(resource.modifiedMs / 1000) * 1000;
  const lastModified = new Date(lastModifiedMs).toUTCString();
  return { etag, lastModifiedMs, headers: { ETag: etag, "Last-Modified": lastModified, "Accept-Ranges": "bytes" } };
}

function notAcceptable(message: string): SandboxError {
  return new SandboxError("invalid_argument", message, { reason: "not_acceptable" });
}
