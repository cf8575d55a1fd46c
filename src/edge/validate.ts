import * as v from "valibot";
import { SandboxError } from "../errors.ts";
import { readBody } from "./body.ts";
import { issueText, membersAt } from "./issue-text.ts";
import type { EdgeContext } from "./request-context.ts";
import { queryOf, textOf } from "./text.ts";

const MAX_JSON_BYTES = 64 * 1024 * 1024;

/** The query, checked. @throws SandboxError invalid_argument naming the member, what it was and why that is wrong */
export function parseQuery<S extends v.GenericSchema>(c: EdgeContext, schema: S): v.InferOutput<S> {
  return check(schema, queryOf(c), "query");
}

/** The JSON body, checked. @throws SandboxError invalid_argument, resource_exhausted */
export async function parseJsonBody<S extends v.GenericSchema>(
  c: EdgeContext,
  schema: S,
  maxBytes = MAX_JSON_BYTES,
): Promise<v.InferOutput<S>> {
  return check(schema, parseJson(await readBody(c.env.incoming, maxBytes)), "body");
}

/** A JSON body that was read already, checked. */
export function parseJsonBytes<S extends v.GenericSchema>(bytes: Buffer, schema: S): v.InferOutput<S> {
  return check(schema, parseJson(bytes), "body");
}

export function isJson(c: EdgeContext): boolean {
  return /^application\/(?:[\w.-]+\+)?json\s*(?:;|$)/i.test(c.req.header("content-type") ?? "");
}

function parseJson(body: Buffer): unknown {
  const text = textOf(body, "the body");
  try {
    return JSON.parse(text);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new SandboxError("invalid_argument", `the body is not JSON: ${why}`, { cause: error });
  }
}

function check<S extends v.GenericSchema>(schema: S, input: unknown, where: string): v.InferOutput<S> {
  const parsed = v.safeParse(schema, input, { message: issueText });
  if (parsed.success) return parsed.output;
  const [issue] = parsed.issues;
  const keys = (issue.path ?? []).map(({ key }) => String(key));
  const members = issue.expected === "never" ? membersAt(schema, keys.slice(0, -1)) : undefined;
  throw new SandboxError("invalid_argument", `${[where, ...keys].join(".")}: ${issue.message}`, {
    ...(members && { hint: `there are ${members.join(", ")}` }),
  });
}
