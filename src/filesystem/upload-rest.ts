import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { posix } from "node:path";
import type { UploadAnswer } from "../contracts/files.ts";
import { inflated, isGzipBody, uploadBody } from "../edge/http/upload-body.ts";
import { readParts } from "../edge/multipart.ts";
import type { EdgeContext } from "../edge/request-context.ts";
import { SandboxError } from "../errors.ts";
import type { Caller } from "./filesystem.ts";
import { checkMetadata } from "./metadata.ts";
import type { Metadata } from "./types.ts";
import type { UploadedFile, Uploads } from "./uploads.ts";

const METADATA_HEADER = "x-metadata-";

/** What is known of an upload before its body is looked at. */
export interface UploadRequest {
  /** Of the query: for every file of the request. */
  path: string | undefined;
  caller: Caller;
  /** How long a client may pause. */
  idleMs: number;
}

/** What every file of one request has in common. */
interface Common {
  metadata: Metadata;
  declaredBytes: number | undefined;
}

/** Answers `POST /files`. */
export async function upload(c: EdgeContext, uploads: Uploads, request: UploadRequest): Promise<Response> {
  const { incoming } = c.env;
  const isGzip = isGzipBody(incoming.headers["content-encoding"]);
  uploads.checkUser(request.caller);
  const common = { metadata: readMetadata(incoming), declaredBytes: declaredBytes(incoming.headers) };
  const received = uploadBody(incoming, { idleMs: request.idleMs });
  const body = isGzip ? inflated(received) : received;
  const files = await saveAll(body, incoming.headers["content-type"] ?? "", { uploads, request, common });
  return c.json(files.map(toWire));
}

interface Saving {
  uploads: Uploads;
  request: UploadRequest;
  common: Common;
}

async function saveAll(body: AsyncGenerator<Buffer>, contentType: string, saving: Saving): Promise<UploadedFile[]> {
  const type = contentType.split(";")[0]?.trim().toLowerCase() ?? "";
  if (type.startsWith("multipart/")) return saveParts(body, contentType, saving);
  if (type === "application/octet-stream") return [await saveBody(body, saving)];
  const message = `unsupported content type: ${contentType}, expected multipart/form-data or application/octet-stream`;
  throw new SandboxError("invalid_argument", message);
}

async function saveBody(body: AsyncIterable<Buffer>, { uploads, request, common }: Saving): Promise<UploadedFile> {
  const { path, caller } = request;
  if (!path) throw new SandboxError("invalid_argument", "path query parameter is required for raw body upload");
  return uploads.save({ path, body, ...common }, caller);
}

/** Parts are written as they come; those before one that fails stay. */
async function saveParts(body: AsyncIterable<Buffer>, contentType: string, saving: Saving): Promise<UploadedFile[]> {
  const { uploads, request, common } = saving;
  const saved: UploadedFile[] = [];
  for await (const part of readParts(body, contentType)) {
    if (part.name !== "file") continue;
    const path = request.path || part.filename;
    if (path === undefined) {
      const message = "error getting multipart custom part file name: filename not found in Content-Disposition header";
      throw new SandboxError("invalid_argument", message);
    }
    checkNotSaved(uploads.resolve(path, request.caller), saved);
    saved.push(await uploads.save({ path, body: part.body, ...common }, request.caller));
  }
  return saved;
}

function checkNotSaved(path: string, saved: readonly UploadedFile[]): void {
  if (!saved.some((file) => file.path === path)) return;
  const others = saved.map((file) => file.path).filter((other) => other !== path);
  const message =
    `you cannot upload multiple files to the same path '${path}' in one upload request, ` +
    "only the first specified file was uploaded";
  const more = others.length > 1 ? `, also the following files were uploaded: ${others.join(", ")}` : "";
  throw new SandboxError("invalid_argument", message + more);
}

/** Of a repeated header, the first value counts. @throws SandboxError invalid_argument */
function readMetadata(incoming: IncomingMessage): Metadata {
  const metadata: Record<string, string> = {};
  for (const [name, values] of Object.entries(incoming.headersDistinct)) {
    const key = name.startsWith(METADATA_HEADER) ? name.slice(METADATA_HEADER.length) : "";
    if (key !== "") metadata[key] = values?.[0] ?? "";
  }
  checkMetadata(metadata);
  return metadata;
}

function declaredBytes(headers: IncomingHttpHeaders): number | undefined {
  const length = Number(headers["content-length"] ?? 0);
  return length > 0 ? length : undefined;
}

function toWire(file: UploadedFile): UploadAnswer[number] {
  const answer = { name: posix.basename(file.path), path: file.path, type: "file" as const };
  return Object.keys(file.metadata).length > 0 ? { ...answer, metadata: { ...file.metadata } } : answer;
}
