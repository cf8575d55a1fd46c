import type { GenericSchema } from "valibot";
import * as contract from "../../contracts/native-files.ts";
import type { AnswerDoc, OperationDoc } from "../../edge/operation-doc.ts";
import { type HttpMethod, type Route, type RouteHandler, route } from "../../edge/route.ts";
import { finerError } from "../failures.ts";
import { FILES_PREFIX } from "./path-rest.ts";
import { type Reading, readPath } from "./read-rest.ts";

/** What the routes are made of. */
export type NativeFilesDeps = Reading;

/** `/v1/files/{path}`: a file, directory or link by its path. `GET` serves `HEAD` too. */
export function nativeFilesRoutes(deps: NativeFilesDeps): Route[] {
  const read: RouteHandler = (c) => readPath(c, deps);
  return [
    route(`GET ${FILES_PREFIX}`, { ...NATIVE, doc: { ...READ, summary: "List the root directory" } }, read),
    atPath("GET", READ, read),
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
  rest: Pick<OperationDoc, "body" | "bodyMedia"> & { answers: Readonly<Record<number, AnswerDoc>> },
): OperationDoc {
  return { summary, tag: "files", query, ...rest, answers: { ...rest.answers, ...FAILURES } };
}

const READ = operation(
  "Read a file, or list a directory: JSON, or as ls -la with Accept: text/plain",
  contract.ReadQuery,
  {
    answers: {
      200: {
        description: "content of the file, or what is in the directory",
        json: contract.Listing,
        media: ["application/octet-stream", "text/plain"],
      },
      206: { description: "the range that was asked for", media: ["application/octet-stream"] },
      304: { description: "not changed since" },
      412: { description: "the file is not as the request expects it to be" },
      416: { description: "a range that is not in the file" },
    },
  },
);
