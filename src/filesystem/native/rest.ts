import type { GenericSchema } from "valibot";
import * as contract from "../../contracts/native-files.ts";
import type { AnswerDoc, OperationDoc } from "../../edge/operation-doc.ts";
import { type HttpMethod, type Route, type RouteHandler, route } from "../../edge/route.ts";
import { finerError } from "../failures.ts";
import { PART_HEADERS, READ_HEADERS, VALIDATORS } from "../download-rest.ts";
import { type Changing, changePath, removePath } from "./change-rest.ts";
import { FILES_PREFIX } from "./path-rest.ts";
import { type Reading, readPath } from "./read-rest.ts";
import { patchFile, putFile, type Writing } from "./write-rest.ts";

/** Clients leave it to the daemon to give up on uploads that have stalled. */
const UPLOAD_IDLE_MS = 60_000;

/** What the routes are made of. */
export type NativeFilesDeps = Reading &
  Changing &
  Omit<Writing, "uploadIdleMs"> &
  Partial<Pick<Writing, "uploadIdleMs">>;

/** `/v1/files/{path}`: a file, directory or link by its path. `GET` serves `HEAD` too. */
export function nativeFilesRoutes(deps: NativeFilesDeps): Route[] {
  const writing = { uploadIdleMs: UPLOAD_IDLE_MS, ...deps };
  const read: RouteHandler = (c) => readPath(c, deps);
  return [
    route(`GET ${FILES_PREFIX}`, { ...NATIVE, doc: { ...READ, summary: "List the root directory" } }, read),
    atPath("GET", READ, read),
    atPath("PUT", PUT, (c) => putFile(c, writing)),
    atPath("PATCH", PATCH, (c) => patchFile(c, writing)),
    atPath("POST", CHANGE, (c) => changePath(c, deps)),
    atPath("DELETE", REMOVE, (c) => removePath(c, deps)),
  ];
}

const NATIVE = { family: "native", access: "token" } as const;

/** The pattern takes any path: empty ones too, and newlines, which a plain wildcard does not. */
function atPath(method: HttpMethod, doc: OperationDoc, handle: RouteHandler): Route {
  return route(`${method} ${FILES_PREFIX}/:path{[\\s\\S]*}`, { ...NATIVE, doc }, async (c) => {
    try {
      return await handle(c);
    } catch (error) {
      throw finerError(error);
    }
  });
}

const FAILURES: Readonly<Record<number, AnswerDoc>> = {
  400: { description: "a path, header or body that cannot be" },
  403: { description: "not with the rights at hand" },
  404: { description: "nothing is there" },
};

function operation(
  summary: string,
  query: GenericSchema,
  rest: Pick<OperationDoc, "body" | "bodyMedia" | "headers"> & { answers: Readonly<Record<number, AnswerDoc>> },
): OperationDoc {
  return { summary, tag: "files", query, ...rest, answers: { ...rest.answers, ...FAILURES } };
}

const READ = operation(
  "Read a file, or list a directory: JSON, or as ls -la with Accept: text/plain",
  contract.ReadQuery,
  {
    headers: READ_HEADERS,
    answers: {
      200: {
        description: "content of the file, or what is in the directory",
        json: contract.Listing,
        media: ["*/*", "text/plain"],
        headers: VALIDATORS,
      },
      206: { description: "the range that was asked for", media: ["*/*"], headers: PART_HEADERS },
      304: { description: "not changed since" },
      412: { description: "the file is not as the request expects it to be" },
      416: { description: "a range that is not in the file" },
    },
  },
);

const WRITE_FAILURES: Readonly<Record<number, AnswerDoc>> = {
  409: { description: "something that is no file is in the way, or others changed the file meanwhile" },
  412: { description: "If-Match, If-None-Match or If-Unmodified-Since does not hold" },
  422: { description: "the bytes do not come to the digest that was sent with them; nothing was written" },
  507: { description: "no space left; what was there still is" },
};

const EXPECTATIONS = {
  "If-Match": "ETag of the only state that may be changed; * for any file",
  "If-None-Match": "*: only if there is no file yet",
  "If-Unmodified-Since": "only if nobody has changed the file since that date",
};
const DIGESTS = {
  "Content-Digest": "digests of this body (RFC 9530), as sha-256=:…:",
  "Repr-Digest": "digests of the whole file; the older Digest: SHA-256=… is understood too",
};
const ENCODING = { "Content-Encoding": "gzip: the body is unpacked" };

const PUT = operation(
  "Write a file in one step, with the directories above it; append=1 adds to its end",
  contract.WriteQuery,
  {
    headers: { ...EXPECTATIONS, ...DIGESTS, ...ENCODING },
    bodyMedia: ["application/octet-stream"],
    answers: {
      200: { description: "the file was replaced, or added to", json: contract.Written },
      201: { description: "the file is new", json: contract.Written },
      ...WRITE_FAILURES,
    },
  },
);

const PATCH = operation("Write a part of a file in place: a resumable upload, by Content-Range", contract.PatchQuery, {
  headers: { "Content-Range": "where it goes: bytes 0-99/200, or 0-99/*", ...EXPECTATIONS, ...DIGESTS },
  bodyMedia: ["application/octet-stream"],
  answers: {
    200: { description: "the part is in the file", json: contract.Written },
    201: { description: "so it is, and the file is new", json: contract.Written },
    ...WRITE_FAILURES,
    416: { description: "the part would leave a gap; Content-Range: bytes */N says how long the file is" },
  },
});

const CHANGE = operation("Make a directory or link, move, copy, change mode or owner", contract.ChangeQuery, {
  body: contract.ChangeBody,
  answers: {
    200: { description: "what is there now", json: contract.NativeEntry },
    201: { description: "what was made", json: contract.NativeEntry },
    409: { description: "something is in the way" },
  },
});

const REMOVE = operation("Remove a file or an empty directory; recursive=1 also what is in it", contract.RemoveQuery, {
  headers: EXPECTATIONS,
  answers: {
    204: { description: "it is gone" },
    409: { description: "the directory is not empty" },
    412: { description: "the file is not as the request expects it to be" },
  },
});
