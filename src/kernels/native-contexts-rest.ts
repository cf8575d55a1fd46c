import type { GenericSchema } from "valibot";
import * as contract from "../contracts/code.ts";
import type { OperationDoc } from "../edge/operation-doc.ts";
import type { EdgeContext } from "../edge/request-context.ts";
import { type Route, route } from "../edge/route.ts";
import { parseJsonBody, parseQuery } from "../edge/validate.ts";
import type { CodeContext } from "./context.ts";
import type { Contexts } from "./contexts.ts";
import { interruptionView } from "./types.ts";

/** `/v1/contexts`: code contexts with native errors. */
export function nativeContextsRoutes(contexts: Contexts): Route[] {
  const of = (c: EdgeContext): CodeContext => contexts.get(c.req.param("id") ?? "");
  const shared = { family: "native", access: "token" } as const;
  const { NativeContext: one, NativeContextList: all } = contract;
  return [
    route("GET /v1/contexts", { ...shared, doc: doc("List code contexts in order of creation", 200, all) }, (c) =>
      c.json({ contexts: contexts.list().map(view) }),
    ),
    route(
      "POST /v1/contexts",
      { ...shared, doc: { ...doc("Create a code context", 201, one), body: contract.NewContext } },
      async (c) => {
        const context = await contexts.create(await parseJsonBody(c, contract.NewContext));
        return c.json(view(context), 201, { Location: `/v1/contexts/${context.id}` });
      },
    ),
    route("GET /v1/contexts/:id", { ...shared, doc: doc("A code context", 200, one) }, (c) => c.json(view(of(c)))),
    route(
      "DELETE /v1/contexts/:id",
      { ...shared, doc: doc("Remove a code context with its kernel; answers with what it was", 200, one) },
      (c) => {
        const context = of(c);
        contexts.remove(context.id);
        return c.json(view(context));
      },
    ),
    route("POST /v1/contexts/:id/interrupt", { ...shared, doc: INTERRUPT }, async (c) => {
      const { graceMs, kill = true } = parseQuery(c, contract.InterruptQuery);
      const { run, ...came } = await of(c).interrupt({ graceMs, isGentle: !kill });
      return c.json({ ...interruptionView(came), runId: run?.id ?? null });
    }),
    route(
      "POST /v1/contexts/:id/restart",
      { ...shared, doc: doc("Replace the kernel of a code context by a fresh one", 200, one) },
      async (c) => {
        await of(c).restart();
        return c.json(view(of(c)));
      },
    ),
  ];
}

const INTERRUPT: OperationDoc = {
  summary: "Interrupt the cell that runs, if one does; answers with what came of it",
  tag: "code",
  query: contract.InterruptQuery,
  answers: { 200: { description: "what came of it, when that is known", json: contract.Interruption } },
};

function doc(summary: string, status: number, json: GenericSchema): OperationDoc {
  return { summary, tag: "code", answers: { [status]: { description: "the context as it is now", json } } };
}

function view({ id, language, cwd, queueLength, createdAt, idleMs, lastLoss }: CodeContext): Record<string, unknown> {
  return {
    id,
    language,
    cwd,
    cells: queueLength,
    createdAt: createdAt.toISOString(),
    idleMs: Math.round(idleMs),
    lastLoss: lastLoss ? { at: lastLoss.at.toISOString(), reason: lastLoss.reason } : null,
  };
}
