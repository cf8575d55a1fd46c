import { posix } from "node:path";
import * as v from "valibot";
import { ComposeAnswer, ComposeBody } from "../contracts/native-files.ts";
import { readBody } from "../edge/body.ts";
import type { OperationDoc } from "../edge/operation-doc.ts";
import type { EdgeContext } from "../edge/request-context.ts";
import { type Route, route } from "../edge/route.ts";
import { textOf } from "../edge/text.ts";
import { SandboxError } from "../errors.ts";
import type { Compositions } from "./compositions.ts";
import { userError } from "./rest.ts";

const MAX_BODY_BYTES = 1024 * 1024;

/** `/files/compose`: one file of several that were uploaded in parts. */
export function composeRoutes(compositions: Compositions): Route[] {
  return [
    route("POST /files/compose", { family: "rest", access: "token", doc: COMPOSE }, async (c) => {
      const { source_paths, destination, username } = await readRequest(c);
      const caller = { user: username || undefined, signal: c.var.request.signal };
      try {
        const path = await compositions.compose({ sources: source_paths ?? [], destination }, caller);
        return c.json({ name: posix.basename(path), path, type: "file" });
      } catch (error) {
        throw userError(error, username);
      }
    }),
  ];
}

async function readRequest(c: EdgeContext): Promise<v.InferOutput<typeof ComposeBody>> {
  const parsed = v.safeParse(ComposeBody, parseJson(await readBody(c.env.incoming, MAX_BODY_BYTES)));
  if (!parsed.success) {
    const [issue] = parsed.issues;
    throw invalid(`invalid request body: ${v.getDotPath(issue) ?? "body"}: ${issue.message}`);
  }
  if (!parsed.output.source_paths?.length) throw invalid("source_paths must not be empty");
  if (parsed.output.destination === "") throw invalid("destination is required");
  return parsed.output;
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(textOf(body, "it"));
  } catch (error) {
    throw invalid(`invalid request body: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function invalid(message: string): SandboxError {
  return new SandboxError("invalid_argument", message);
}

const COMPOSE: OperationDoc = {
  summary: "Puts files one after the other into one, and removes them",
  tag: "files",
  body: ComposeBody,
  answers: {
    200: { description: "the file that was made", json: ComposeAnswer },
    400: { description: "a body or path that cannot be" },
    401: { description: "no token, or no such user" },
    404: { description: "a source is not there" },
    507: { description: "no space left" },
  },
};
