import type { GenericSchema } from "valibot";
import type { AnswerDoc, OperationDoc } from "../edge/operation-doc.ts";
import type { EdgeContext } from "../edge/request-context.ts";
import type { Route } from "../edge/route.ts";

export function native(doc: OperationDoc): Pick<Route, "family" | "access" | "doc"> {
  return { family: "native", access: "token", doc };
}

const FAILURES: Readonly<Record<number, AnswerDoc>> = {
  400: { description: "an address, path or body that cannot be" },
  403: { description: "auth_failed, host_key, or not with the rights of the user" },
  404: { description: "not_found: no such repository, directory, branch or commit" },
  409: { description: "conflict, dirty, identity_missing, lock, non_fast_forward or not_a_repository" },
  503: { description: "network: the server cannot be reached, or there is no git here" },
};

export function operation(
  summary: string,
  rest: Omit<OperationDoc, "summary" | "tag" | "answers">,
  answer: AnswerDoc,
): OperationDoc {
  return { summary, tag: "git", ...rest, answers: { 200: answer, ...FAILURES } };
}

export function looking(summary: string, query: GenericSchema, json: GenericSchema): OperationDoc {
  return operation(summary, { query }, { description: "done", json, media: ["text/plain"] });
}

export function asking(c: EdgeContext, user: string | undefined): { user: string | undefined; signal: AbortSignal } {
  return { user: userOf(c, user), signal: c.var.request.signal };
}

export function userOf(c: EdgeContext, user: string | undefined): string | undefined {
  return user ?? c.var.request.user;
}

export function wantsText(c: EdgeContext): boolean {
  const accept = c.req.header("accept") ?? "";
  return accept.includes("text/plain") && !accept.includes("application/json");
}
