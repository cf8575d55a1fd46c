import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTestDaemon, type TestDaemon } from "../helpers/daemon.ts";

interface Operation {
  operationId: string;
  summary: string;
  tags: string[];
  parameters: { name: string; in: string; required: boolean; schema: object }[];
  security?: object[];
  requestBody?: { content: Record<string, { schema: object }> };
  responses: Record<string, { description: string; content?: Record<string, { schema: object }> }>;
}

interface Document {
  openapi: string;
  info: { title: string; version: string };
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, object>; securitySchemes: Record<string, object> };
}

let daemon: TestDaemon;
let document: Document;
beforeAll(async () => {
  daemon = await startTestDaemon({ hasInterpreterPort: true });
  const response = await daemon.fetch("/openapi.json");
  expect([response.status, response.headers.get("content-type")]).toEqual([200, "application/json"]);
  document = (await response.json()) as Document;
});
afterAll(async () => daemon[Symbol.asyncDispose]());

const operations = (): [name: string, operation: Operation][] =>
  Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]): [string, Operation] => [
      `${method.toUpperCase()} ${path}`,
      operation,
    ]),
  );

/** A route's path as the document writes it. */
const written = (path: string): string => path.replaceAll(/:(\w+)(\{[^}]*\})?/g, "{$1}");

const headersOf = (path: string, method: string): string[] =>
  (document.paths[path]?.[method]?.parameters ?? []).filter((one) => one.in === "header").map(({ name }) => name);

/** What guestd does not do, and says so. */
const NEVER_GOOD = new Set(["POST /upgrade"]);

describe("the document", () => {
  test("is OpenAPI 3.1 of this version", async () => {
    const { version } = (await (await daemon.fetch("/v1/info")).json()) as { version: string };
    expect(document).toMatchObject({ openapi: "3.1.0", info: { title: "guestd", version } });
  });

  test("has every documented route, and no other", () => {
    const documented = daemon.daemon.routes
      .filter(({ doc }) => doc)
      .map(({ method, path }) => `${method} ${written(path)}`);
    expect(
      operations()
        .map(([name]) => name)
        .toSorted(),
    ).toEqual([...new Set(documented)].toSorted());
  });

  test("leaves out only what a person or a generated client needs no description of", () => {
    const documented = new Set(operations().map(([name]) => name));
    const undocumented = daemon.daemon.routes
      .filter(({ family }) => family !== "rpc")
      .map(({ method, path }) => `${method} ${written(path)}`)
      .filter((name) => !documented.has(name));
    expect(undocumented.toSorted()).toEqual(["GET /", "GET /docs", "GET /openapi.json"]);
  });

  test("has the routes that code interpreter SDKs use", () => {
    const routes = daemon.daemon.routes.filter(({ family }) => family === "interpreter");
    const names = [...new Set(routes.map(({ method, path }) => `${method} ${written(path)}`))];
    expect(names.length).toBeGreaterThan(5);
    expect(operations().map(([name]) => name)).toEqual(expect.arrayContaining(names));
    expect(document.paths["/health"]?.["get"]?.responses).toMatchObject({ 200: {}, 204: {}, 503: {} });
  });

  test("names the headers that a request may have", () => {
    expect(headersOf("/v1/run", "post")).toEqual(["Idempotency-Key"]);
    expect(headersOf("/v1/runs/{id}/log", "get")).toEqual(["Last-Event-ID"]);
    expect(headersOf("/v1/files/{path}", "put")).toEqual(expect.arrayContaining(["If-None-Match", "Content-Digest"]));
    expect(headersOf("/v1/files/{path}", "patch")).toContain("Content-Range");
  });

  test("gives each operation a name of its own", () => {
    const names = operations().map(([, { operationId }]) => operationId);
    expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
    for (const name of names) expect(name).toMatch(/^[a-zA-Z]\w*$/);
  });

  test("gives each operation a summary, a tag and at least one good answer", () => {
    for (const [name, { summary, tags, responses }] of operations()) {
      expect([name, summary.length > 5, tags.length]).toEqual([name, true, 1]);
      const isGood = Object.keys(responses).some((status) => /^(2\d\d|101)$/.test(status));
      expect([name, isGood]).toEqual([name, !NEVER_GOOD.has(name)]);
      for (const [status, { description }] of Object.entries(responses)) {
        expect(status).toMatch(/^([1-5]\d\d|[1-5]XX|default)$/);
        expect(description).not.toBe("");
      }
    }
  });

  test("names every parameter of a path, once, as required", () => {
    for (const [name, { parameters }] of operations()) {
      const inPath = [...name.matchAll(/\{(\w+)\}/g)].map(([, parameter]) => parameter);
      const named = parameters.filter(({ in: where }) => where === "path");
      expect([name, named.map((parameter) => parameter.name)]).toEqual([name, inPath]);
      expect(named.every(({ required }) => required)).toBe(true);
      const keys = parameters.map((parameter) => `${parameter.in} ${parameter.name}`);
      expect(new Set(keys).size).toBe(keys.length);
      for (const { schema } of parameters) expect(schema).toMatchObject({});
    }
  });

  test("opens in words what is open in fact", () => {
    const open = operations().filter(([, { security }]) => security?.length === 0);
    expect(open.map(([name]) => name).toSorted()).toEqual(["GET /health", "POST /init"]);
    expect(Object.keys(document.components.securitySchemes)).toEqual(["token", "bearer"]);
  });

  test("refers to nothing that is not in it", () => {
    const text = JSON.stringify(document);
    const references = [...text.matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g)].map(([, name]) => name ?? "");
    expect(references.length).toBeGreaterThan(0);
    for (const name of references) expect(document.components.schemas).toHaveProperty(name);
    expect(text).not.toContain('"$ref":"#/$defs');
  });

  test("describes bodies and answers as JSON schemas", () => {
    const run = document.paths["/v1/run"]?.["post"];
    expect(run?.requestBody?.content["application/json"]?.schema).toMatchObject({
      type: "object",
      properties: {
        cmd: { type: "string" },
        args: { type: "array", items: { type: "string" } },
        timeoutMs: { type: "integer" },
      },
    });
    expect(Object.keys(run?.responses["200"]?.content ?? {})).toEqual(
      expect.arrayContaining(["application/json", "text/plain", "text/event-stream"]),
    );
    expect(run?.responses["4XX"]?.content).toHaveProperty(["application/problem+json"]);
    expect(
      document.paths["/v1/runs/{id}"]?.["get"]?.responses["200"]?.content?.["application/json"]?.schema,
    ).toMatchObject({
      type: "object",
      required: expect.arrayContaining(["id", "state", "startedAt"]) as string[],
    });
  });
});

test("the same document is on both ports, and for whoever asks often", async () => {
  const [one, two] = await Promise.all([daemon.fetch("/openapi.json"), fetch(`${daemon.interpreterUrl}/openapi.json`)]);
  expect(await one.json()).toEqual(document);
  expect(await two.json()).toEqual(document);
});

test("every documented path answers something else than not found", async () => {
  for (const { method, path, doc, face } of daemon.daemon.routes) {
    if (!doc || face === "interpreter" || method !== "GET" || path.includes(":")) continue;
    expect([path, (await daemon.fetch(path)).status]).not.toEqual([path, 404]);
  }
});
