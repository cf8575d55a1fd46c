import * as v from "valibot";
import { readBody } from "../edge/body.ts";
import type { EdgeContext } from "../edge/request-context.ts";
import { isJson } from "../edge/validate.ts";
import { SandboxError } from "../errors.ts";

const MAX_BODY_BYTES = 64 * 1024 * 1024;

const NO_OBJECT = [
  "model_attributes_type",
  "Input should be a valid dictionary or object to extract fields from",
] as const;
/** What the reference says of a value that is not of a schema's type. */
const WORDS: Readonly<Record<string, readonly [type: string, msg: string]>> = {
  object: NO_OBJECT,
  record: ["dict_type", "Input should be a valid dictionary"],
  string: ["string_type", "Input should be a valid string"],
};

type Detail = { type: string; loc: readonly (string | number)[]; msg: string; input: unknown };

/** A JSON body, checked; or the interpreter contract's 422 that says what is wrong with it. */
export async function readDetailedBody<S extends v.GenericSchema>(
  c: EdgeContext,
  schema: S,
): Promise<{ ok: true; value: v.InferOutput<S> } | { ok: false; response: Response }> {
  const refuse = (detail: Detail[]): { ok: false; response: Response } => {
    return { ok: false, response: c.json({ detail }, 422) };
  };
  const body = (await readBody(c.env.incoming, MAX_BODY_BYTES)).toString("utf8");
  if (body === "") return refuse([{ type: "missing", loc: ["body"], msg: "Field required", input: null }]);
  if (!isJson(c)) {
    const [type, msg] = NO_OBJECT;
    return refuse([{ type, loc: ["body"], msg, input: body.slice(0, 200) }]);
  }
  let json: unknown;
  try {
    json = JSON.parse(body);
  } catch (error) {
    const msg = `JSON decode error: ${error instanceof Error ? error.message : String(error)}`;
    return refuse([{ type: "json_invalid", loc: ["body", 0], msg, input: {} }]);
  }
  const parsed = v.safeParse(schema, json);
  return parsed.success ? { ok: true, value: parsed.output } : refuse(parsed.issues.map(detailOf));
}

/**
 * A failure to get a kernel in the interpreter contract's words, 500 (429 where a limit is reached) and `what`. A context that
 * is not there, and bugs, stay so.
 */
export function kernelFailure(what: string, error: unknown): unknown {
  if (!(error instanceof SandboxError) || error.reason === "context_not_found") return error;
  const hint = error.hint ? ` (${error.hint})` : "";
  const code = error.code === "resource_exhausted" ? error.code : "internal";
  return new SandboxError(code, `${what}: ${error.message}${hint}`, {
    ...(error.reason && { reason: error.reason }),
    cause: error,
  });
}

function detailOf(issue: v.BaseIssue<unknown>): Detail {
  const path = (issue.path ?? []).map(({ key }) => (typeof key === "number" ? key : String(key)));
  const loc = ["body", ...path];
  if (issue.received === "undefined") return { type: "missing", loc, msg: "Field required", input: null };
  const [type, msg] = WORDS[issue.type] ?? [`${issue.type}_type`, issue.message];
  return { type, loc, msg, input: issue.input };
}
