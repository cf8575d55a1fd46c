import type { RouteFamily } from "./route.ts";

type Json = Record<string, unknown>;

/** Schemas of error bodies, by the name under which operations refer to them. */
export const FAILURE_SCHEMAS = {
  Problem: {
    type: "object",
    description: "RFC 9457 problem details; code, reason and hint are guestd's",
    properties: {
      type: { type: "string" },
      title: { type: "string" },
      status: { type: "integer" },
      detail: { type: "string", description: "what failed, the value and why" },
      instance: { type: "string" },
      code: { type: "string", description: "what kind of failure it is; a closed set" },
      reason: { type: "string", description: "a finer cause for programs to branch on" },
      hint: { type: "string", description: "what the caller can do about it" },
    },
    required: ["type", "title", "status", "detail", "code"],
  },
  Error: {
    type: "object",
    properties: {
      code: { type: ["integer", "string"], description: "the HTTP status; a name for an account that does not exist" },
      message: { type: "string" },
    },
    required: ["code", "message"],
  },
  InvalidBody: {
    type: "object",
    properties: {
      detail: {
        type: "array",
        items: {
          type: "object",
          properties: {
            type: { type: "string" },
            loc: { type: "array", items: { type: ["string", "integer"] } },
            msg: { type: "string" },
            input: {},
          },
          required: ["type", "loc", "msg", "input"],
        },
      },
    },
    required: ["detail"],
  },
};

function body(media: string, name: keyof typeof FAILURE_SCHEMAS): Json {
  return { [media]: { schema: { $ref: `#/components/schemas/${name}` } } };
}

const PROBLEM = body("application/problem+json", "Problem");
const ERROR = body("application/json", "Error");
const INVALID_BODY = body("application/json", "InvalidBody");
const TEXT = { "text/plain": { schema: { type: "string" } } };

/** What an operation answers when it fails: the words are those of its route's family. */
export interface Failures {
  /** Content of an answer with this status. */
  content(status: number): Json;
  /** Answers that any operation may give, by status or range. */
  usual: Readonly<Record<string, Json>>;
}

/** Failures of a route; those that are told as plain text whatever the family are `isText`. */
export function failuresOf(family: RouteFamily, { isText, hasBody }: { isText: boolean; hasBody: boolean }): Failures {
  if (family === "native") return uniform(PROBLEM);
  if (isText) return uniform(TEXT);
  if (family !== "interpreter") return uniform(ERROR);
  return {
    content: (status) => (status === 401 ? ERROR : status === 422 ? INVALID_BODY : TEXT),
    usual: {
      401: { description: "no token, or not the right one", content: ERROR },
      ...(hasBody && { 422: { description: "a body that cannot be", content: INVALID_BODY } }),
      "4XX": { description: "the request cannot be served", content: TEXT },
      "5XX": { description: "the daemon failed", content: TEXT },
    },
  };
}

function uniform(content: Json): Failures {
  return {
    content: () => content,
    usual: {
      "4XX": { description: "the request cannot be served", content },
      "5XX": { description: "the daemon failed, or lacks what the request needs", content },
    },
  };
}
