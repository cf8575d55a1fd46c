import * as v from "valibot";
import * as contract from "../contracts/interpreter.ts";
import type { OperationDoc } from "../edge/operation-doc.ts";
import type { EdgeContext } from "../edge/request-context.ts";
import { type Route, route } from "../edge/route.ts";
import type { CodeContext } from "./context.ts";
import type { Contexts } from "./contexts.ts";
import { kernelFailure, readDetailedBody } from "./detailed-rest.ts";

/** `/contexts` as the published SDKs use it. */
export function contextsRoutes(contexts: Contexts): Route[] {
  const shared = { family: "interpreter", access: "contexts" } as const;
  const one = { 200: { description: "the context", json: contract.Context } };
  const gone = { 200: { description: "done", json: v.null() }, 404: { description: "no such context" } };
  return [
    route(
      "GET /contexts",
      {
        ...shared,
        doc: doc("List code contexts in order of creation", {
          200: { description: "all", json: contract.ContextList },
        }),
      },
      (c) => c.json(contexts.list().map(view)),
    ),
    route(
      "POST /contexts",
      {
        ...shared,
        doc: { ...doc("Create a code context", { ...one, ...NO_KERNEL }), body: contract.CreateContextBody },
      },
      (c) => create(c, contexts),
    ),
    route("DELETE /contexts/:id", { ...shared, doc: doc("Remove a context with its kernel", gone) }, (c) => {
      contexts.remove(c.req.param("id") ?? "");
      return c.json(null);
    }),
    route(
      "POST /contexts/:id/restart",
      { ...shared, doc: doc("Replace a context's kernel by a fresh one", { ...gone, ...NO_KERNEL }) },
      async (c) => {
        const context = contexts.get(c.req.param("id") ?? "");
        await context.restart().catch((error: unknown) => {
          throw kernelFailure(`Failed to restart context ${context.id}`, error);
        });
        return c.json(null);
      },
    ),
    route(
      "POST /contexts/:id/interrupt",
      {
        ...shared,
        access: "token",
        doc: doc("Interrupt the cell that runs in a context, if one does; answers with what came of it", {
          ...gone,
          200: { description: "what came of it, within some 5 s", json: contract.Interruption },
        }),
      },
      async (c) => {
        const { outcome, isStateKept } = await contexts.get(c.req.param("id") ?? "").interrupt();
        return c.json({ outcome, state_kept: isStateKept });
      },
    ),
  ];
}

const NO_KERNEL = {
  429: { description: "there are as many contexts as there may be" },
  500: { description: "the language's kernel does not start; why, and what helps" },
};

function doc(summary: string, answers: OperationDoc["answers"]): OperationDoc {
  return { summary, tag: "interpreter", answers };
}

async function create(c: EdgeContext, contexts: Contexts): Promise<Response> {
  const body = await readDetailedBody(c, contract.CreateContextBody);
  if (!body.ok) return body.response;
  const context = await contexts.create(body.value).catch((error: unknown) => {
    throw kernelFailure("Failed to create context", error);
  });
  return c.json(view(context));
}

function view({ id, language, cwd }: CodeContext): { id: string; language: string; cwd: string } {
  return { id, language, cwd };
}
