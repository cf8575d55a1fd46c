import * as v from "valibot";
import { readBody } from "../edge/body.ts";
import type { EdgeContext } from "../edge/request-context.ts";
import { isJson } from "../edge/validate.ts";

const MAX_BODY_BYTES = 64 * 1024 * 1024;

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
    const msg = "Input should be a valid dictionary or object to extract fields from";
    return refuse([{ type: "model_attributes_type", loc: ["body"], msg, input: body.slice(0, 200) }]);
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

function detailOf(issue: v.BaseIssue<unknown>): Detail {
  const path = (issue.path ?? []).map(({ key }) => (typeof key === "number" ? key : String(key)));
  const isMissing = issue.received === "undefined";
  const type = isMissing ? "missing" : issue.expected === "string" ? "string_type" : `${issue.type}_type`;
  const msg = isMissing
    ? "Field required"
    : issue.expected === "string"
      ? "Input should be a valid string"
      : issue.message;
  return { type, loc: ["body", ...path], msg, input: isMissing ? null : issue.input };
}
