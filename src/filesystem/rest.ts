import * as v from "valibot";
import { FilesQuery, UploadAnswer } from "../contracts/files.ts";
import type { Authorize, FileOperation } from "../edge/http/signed-url.ts";
import type { OperationDoc } from "../edge/operation-doc.ts";
import type { EdgeContext } from "../edge/request-context.ts";
import { type Route, route } from "../edge/route.ts";
import { queryOf } from "../edge/text.ts";
import { SandboxError } from "../errors.ts";
import { download, PART_HEADERS, READ_HEADERS, VALIDATORS } from "./download-rest.ts";
import type { Downloads } from "./downloads.ts";
import type { Caller } from "./filesystem.ts";
import { upload } from "./upload-rest.ts";
import type { Uploads } from "./uploads.ts";

/** Clients leave it to the daemon to give up on uploads that have stalled. */
const UPLOAD_IDLE_MS = 60_000;

/** What the routes are made of. */
export interface FilesRoutesDeps {
  uploads: Uploads;
  downloads: Downloads;
  /** Lets a request through or throws unauthenticated. */
  authorize: Authorize;
  uploadIdleMs?: number;
}

/** `/files`: whole files in and out. `GET` serves `HEAD` too. */
export function filesRoutes(deps: FilesRoutesDeps): Route[] {
  const { uploads, downloads, uploadIdleMs: idleMs = UPLOAD_IDLE_MS } = deps;
  return [
    route("GET /files", { family: "rest", access: "own", doc: DOWNLOAD }, (c) =>
      answer(c, deps.authorize, "read", ({ path = "" }, caller) => download(c, downloads, path, caller)),
    ),
    route("POST /files", { family: "rest", access: "own", doc: UPLOAD }, (c) =>
      answer(c, deps.authorize, "write", ({ path }, caller) => upload(c, uploads, { path, caller, idleMs })),
    ),
  ];
}

async function answer(
  c: EdgeContext,
  authorize: Authorize,
  operation: FileOperation,
  handle: (query: FilesQuery, caller: Caller) => Promise<Response>,
): Promise<Response> {
  const parsed = v.safeParse(FilesQuery, queryOf(c));
  if (!parsed.success) {
    const [issue] = parsed.issues;
    return c.text(`Invalid format for parameter ${v.getDotPath(issue) ?? "?"}: ${issue.message}`, 400);
  }
  authorize(c, operation);
  const { username } = parsed.output;
  try {
    return await handle(parsed.output, { user: username });
  } catch (error) {
    throw userError(error, username);
  }
}

/** An unknown account, in the words of this endpoint. */
export function userError(error: unknown, username: string | undefined): unknown {
  if (!(error instanceof SandboxError) || error.reason !== "user_unknown") return error;
  const name = username ?? /'(.*)'/s.exec(error.message)?.[1] ?? "";
  const message = `error looking up user '${name}': user: unknown user ${name}`;
  return new SandboxError("unauthenticated", message, { cause: error });
}

const FAILURES = {
  400: { description: "a path, header or body that cannot be" },
  401: { description: "no token or signature, or no such user" },
};

const DOWNLOAD: OperationDoc = {
  summary: "Reads a file",
  tag: "files",
  query: FilesQuery,
  headers: READ_HEADERS,
  answers: {
    200: { description: "content of the file, of the type that its name says", media: ["*/*"], headers: VALIDATORS },
    206: { description: "the range that was asked for", media: ["*/*"], headers: PART_HEADERS },
    304: { description: "not changed since" },
    ...FAILURES,
    404: { description: "no such file" },
    406: { description: "neither the bytes as they are nor gzip is acceptable" },
    412: { description: "the file is not as the request expects it to be" },
    416: { description: "a range that is not in the file" },
  },
};

const UPLOAD: OperationDoc = {
  summary: "Writes files, with the directories above them",
  tag: "files",
  query: FilesQuery,
  headers: { "Content-Encoding": "gzip: the body is unpacked" },
  bodyMedia: ["multipart/form-data", "application/octet-stream"],
  answers: {
    200: { description: "what was written", json: UploadAnswer },
    ...FAILURES,
    507: { description: "no space left" },
  },
};
