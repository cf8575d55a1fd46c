import * as v from "valibot";
import { expect, test } from "vitest";
import { openApiDocument } from "../../../src/edge/openapi.ts";
import { type Route, route } from "../../../src/edge/route.ts";

type Operation = {
  operationId: string;
  parameters: { name: string; in: string; required: boolean; schema: object; description?: string }[];
  requestBody?: { content: Record<string, { schema: object }> };
  responses: Record<string, { description: string; content?: Record<string, object> }>;
  security?: object[];
};

const handle = (): Response => new Response();
const doc = {
  summary: "does",
  tag: "things",
  answers: { 200: { description: "done", json: v.object({ id: v.string() }) } },
};

async function pathsOf(routes: Route[]): Promise<Record<string, Record<string, Operation>>> {
  const document = await openApiDocument(routes, "1.2.3");
  expect(document).toMatchObject({ openapi: "3.1.0", info: { title: "guestd", version: "1.2.3" } });
  return document["paths"] as Record<string, Record<string, Operation>>;
}

test("a route without documentation is left out", async () => {
  expect(await pathsOf([route("GET /quiet", { family: "native", access: "token" }, handle)])).toEqual({});
});

test("path parameters are named in braces and required, also with a pattern", async () => {
  const paths = await pathsOf([
    route("GET /v1/a/:id/b/:other", { family: "native", access: "token", doc }, handle),
    route("GET /v1/c/:number{[0-9]+}", { family: "native", access: "token", doc }, handle),
  ]);
  expect(Object.keys(paths)).toEqual(["/v1/a/{id}/b/{other}", "/v1/c/{number}"]);
  const [parameters = [], numbered = []] = Object.values(paths).map(({ get }) => get?.parameters);
  expect(parameters.map(({ name, in: where, required }) => [name, where, required])).toEqual([
    ["id", "path", true],
    ["other", "path", true],
  ]);
  expect(numbered.map(({ name }) => name)).toEqual(["number"]);
});

test("query members are what the schema takes, with their descriptions; methods of a path are kept apart", async () => {
  const query = v.object({
    must: v.string(),
    may: v.optional(v.pipe(v.string(), v.description("why"))),
    n: v.optional(v.pipe(v.string(), v.transform(Number))),
  });
  const paths = await pathsOf([
    route("GET /x", { family: "rest", access: "token", doc: { ...doc, query } }, handle),
    route(
      "POST /x",
      { family: "rest", access: "open", doc: { ...doc, body: v.object({ a: v.number() }), bodyMedia: ["text/plain"] } },
      handle,
    ),
  ]);
  const { get, post } = paths["/x"] ?? {};
  expect(get?.parameters).toMatchObject([
    { name: "must", in: "query", required: true, schema: { type: "string" } },
    { name: "may", required: false, description: "why" },
    { name: "n", required: false, schema: { type: "string" } },
  ]);
  expect(get?.security).toBeUndefined();
  expect(post?.security).toEqual([]);
  expect(Object.keys(post?.requestBody?.content ?? {})).toEqual(["application/json", "text/plain"]);
  expect(post?.responses["200"]).toMatchObject({ description: "done", content: { "application/json": {} } });
  expect(post?.responses["4XX"]).toBeDefined();
});

test("operation ids are all different", async () => {
  const native = { family: "native", access: "token", doc } as const;
  const paths = await pathsOf([
    route("GET /v1/runs", native, handle),
    route("GET /v1/runs/:id", native, handle),
    route("DELETE /v1/runs/:id", native, handle),
    route("GET /v1/runs/:id/log", native, handle),
  ]);
  const ids = Object.values(paths).flatMap((operations) =>
    Object.values(operations).map(({ operationId }) => operationId),
  );
  expect(new Set(ids).size).toBe(4);
  for (const id of ids) expect(id).toMatch(/^[a-z]\w+$/);
});
