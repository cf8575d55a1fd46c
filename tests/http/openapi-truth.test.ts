import { chmodSync, mkdtempDisposableSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as v from "valibot";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CloneEvent, HeadEvent } from "../../src/contracts/git.ts";
import { PortFeedEvent } from "../../src/contracts/ports.ts";
import { CodeEvent, ExecuteEvent, RunEvent } from "../../src/contracts/stream-events.ts";
import { startTestDaemon, startToyDaemon, type TestDaemon } from "../helpers/daemon.ts";

const TOKEN = "truth-token-0123456789abcdef";

interface EventSchema {
  properties?: { type?: { const?: string; enum?: string[] } };
}
interface Content {
  schema: { $ref?: string; anyOf?: EventSchema[]; oneOf?: EventSchema[] };
}
interface Operation {
  security?: object[];
  requestBody?: { required: boolean };
  responses: Record<string, { content?: Record<string, Content> }>;
}
interface Document {
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, { required?: string[] }> };
}

let daemon: TestDaemon;
let guarded: TestDaemon;
let document: Document;
beforeAll(async () => {
  daemon = await startToyDaemon();
  guarded = await startTestDaemon({ env: { GUESTD_TOKEN: TOKEN }, hasInterpreterPort: true });
  document = (await (await daemon.fetch("/openapi.json")).json()) as Document;
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  await guarded[Symbol.asyncDispose]();
});

const operations = (): [string, Operation][] =>
  Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]): [string, Operation] => [
      `${method.toUpperCase()} ${path}`,
      operation,
    ]),
  );
const operation = (name: string): Operation => {
  const found = operations().find(([each]) => each === name)?.[1];
  if (!found) throw new Error(`${name} is not in the document`);
  return found;
};

test("every failure that the document names has a body in it, and every operation may fail in ways it does not name", () => {
  for (const [name, { responses }] of operations()) {
    expect([name, Object.keys(responses)]).toEqual([name, expect.arrayContaining(["4XX", "5XX"])]);
    for (const [status, { content }] of Object.entries(responses)) {
      if (!/^[45]/.test(status) || EMPTY.has(`${name} ${status}`)) continue;
      expect([name, status, Object.keys(content ?? {}).length]).toEqual([name, status, 1]);
    }
  }
});

test("a JSON body has to be there but where an empty one is served", () => {
  const optional = operations().filter(([, { requestBody }]) => requestBody?.required === false);
  expect(optional.map(([name]) => name).toSorted()).toEqual([
    "PATCH /v1/files/{path}",
    "POST /files",
    "POST /init",
    "POST /v1/code/{language}",
    "POST /v1/run",
    "POST /v1/runs/{id}/stdin",
    "PUT /v1/files/{path}",
    "PUT /v1/run",
  ]);
});

test("security is what the gate asks for", async () => {
  const tokenless = operations().filter(([, { security }]) => security?.some((each) => Object.keys(each).length === 0));
  expect(tokenless.map(([name]) => name).toSorted()).toEqual([
    "DELETE /contexts/{id}",
    "GET /contexts",
    "GET /files",
    "POST /contexts",
    "POST /contexts/{id}/restart",
    "POST /files",
  ]);
  expect((await guarded.fetch("/contexts")).status).toBe(200);
  expect((await guarded.fetch("/v1/contexts")).status).toBe(401);
});

/** A failure that the contract has no body for. */
const EMPTY = new Set(["GET /metrics 500"]);

/** A request that fails, and where its failure stands in the document. */
const FAILURES: [string, string, RequestInit & { path: string; at?: "guarded" | "starting" }, string][] = [
  ["no such run", "GET /v1/runs/{id}", { path: "/v1/runs/x" }, "4XX"],
  ["a file that is not there", "GET /files", { path: "/files?path=/nowhere" }, "404"],
  ["a file that is not there, natively", "GET /v1/files/{path}", { path: "/v1/files/nowhere" }, "404"],
  ["an account that is not there", "GET /files", { path: "/files?path=/etc/hostname&username=nobody-here" }, "401"],
  [
    "an account that is not there, by Basic",
    "GET /metrics",
    { path: "/metrics", headers: basic("nobody-here") },
    "4XX",
  ],
  ["a token that is missing", "GET /metrics", { path: "/metrics", at: "guarded" }, "4XX"],
  ["a token that is missing, natively", "GET /v1/runs", { path: "/v1/runs", at: "guarded" }, "4XX"],
  ["a token that is missing for a cell", "POST /execute", { path: "/execute", method: "POST", at: "guarded" }, "401"],
  ["a cell without code", "POST /execute", { path: "/execute", ...json("{}") }, "422"],
  [
    "a cell of a context that is not there",
    "POST /execute",
    { path: "/execute", ...json('{"code":"","context_id":"x"}') },
    "404",
  ],
  ["a context that is not there", "DELETE /contexts/{id}", { path: "/contexts/x", method: "DELETE" }, "404"],
  ["a language that is not there", "POST /contexts", { path: "/contexts", ...json('{"language":"cobol"}') }, "500"],
  ["no body of /init", "POST /init", { path: "/init", ...json("[") }, "4XX"],
  ["what is not ready", "GET /health", { path: "/health?ready=1", at: "starting" }, "503"],
];

test.each(FAILURES)("%s is said as the document has it", async (_name, name, { path, at, ...init }, status) => {
  await using starting = at === "starting" ? await startingDaemon() : undefined;
  const url = starting?.url ?? (at === "guarded" ? guarded.url : daemon.url);
  const response = await fetch(`${url}${path}`, init);
  const text = await response.text();
  const [[media, { schema }] = ["", { schema: {} }]] = Object.entries(operation(name).responses[status]?.content ?? {});
  expect([String(response.status), response.headers.get("content-type"), text]).toEqual([
    expect.stringMatching(status.replace("XX", "..")),
    expect.stringMatching(`^${media.replace("+", "\\+")}`),
    expect.stringMatching(/./),
  ]);
  const { required = [] } = document.components.schemas[schema.$ref?.split("/").at(-1) ?? ""] ?? {};
  if (media !== "text/plain") expect(required.length).toBeGreaterThan(0);
  for (const member of required) expect(JSON.parse(text)).toHaveProperty(member);
});

/** Types of the events that an operation answers with. */
const named = (name: string, media: string): Set<string> => {
  const { anyOf, oneOf } = operation(name).responses["200"]?.content?.[media]?.schema ?? {};
  return new Set(
    (anyOf ?? oneOf ?? []).flatMap(({ properties }) => properties?.type?.enum ?? [properties?.type?.const ?? ""]),
  );
};

/** Each line has nothing that its schema has not, and the document names its type. */
async function check(name: string, schema: v.GenericSchema, response: Response): Promise<Set<string>> {
  const media = response.headers.get("content-type") ?? "";
  expect([response.status, media]).toEqual([200, "application/x-ndjson"]);
  const lines = (await response.text()).trim().split("\n");
  const types = new Set<string>();
  for (const line of lines) {
    const event = JSON.parse(line) as { type: string };
    expect(v.parse(schema, event)).toEqual(event);
    types.add(event.type);
  }
  expect([...named(name, media)]).toEqual(expect.arrayContaining([...types]));
  return types;
}

describe("events are what the document says", () => {
  const ndjson = { Accept: "application/x-ndjson" };
  const run = (query: string, body: string): Promise<Response> =>
    daemon.fetch(`/v1/run${query}`, { method: "POST", headers: ndjson, body });

  test("of runs, as text and as base64, and of their logs", async () => {
    const response = await run("", "echo out; echo err >&2; printf '\\377'; exit 3");
    const path = response.headers.get("location") ?? "";
    expect(await check("POST /v1/run", RunEvent, response)).toEqual(new Set(["start", "output", "end"]));
    await check("POST /v1/run", RunEvent, await run("?encoding=base64", "echo out"));
    await check("GET /v1/runs/{id}/log", RunEvent, await daemon.fetch(`${path}/log`, { headers: ndjson }));
  });

  test("of cells", async () => {
    const body = "print a\nresult 1\nthrow oops";
    const response = await daemon.fetch("/v1/code/toy", { method: "POST", headers: ndjson, body });
    expect(await check("POST /v1/code/{language}", CodeEvent, response)).toEqual(
      new Set(["start", "count", "output", "result", "error", "end"]),
    );
  });

  test("of cells of code interpreter SDKs", async () => {
    const code = "print a\nresult 1\nthrow oops";
    const response = await daemon.fetch("/execute", {
      method: "POST",
      ...json(JSON.stringify({ code, language: "toy" })),
    });
    const types = await check("POST /execute", ExecuteEvent, response);
    expect([...types]).toEqual(
      expect.arrayContaining(["number_of_executions", "stdout", "result", "error", "end_of_execution"]),
    );
  });

  test("of ports", async () => {
    const leaving = new AbortController();
    const response = await daemon.fetch("/v1/ports?follow=1", { headers: ndjson, signal: leaving.signal });
    const { value } = (await response.body?.getReader().read()) ?? {};
    leaving.abort();
    const lines = Buffer.from(value ?? new Uint8Array())
      .toString()
      .trim()
      .split("\n");
    const types = lines.map((line) => {
      const event = JSON.parse(line) as { type: string };
      expect(v.parse(PortFeedEvent, event)).toEqual(event);
      return event.type;
    });
    expect(types.at(-1)).toBe("ready");
    expect(named("GET /v1/ports", "application/x-ndjson")).toEqual(new Set(["opened", "closed", "ready", "keepalive"]));
  });

  test("of git", async () => {
    using folder = mkdtempDisposableSync(join(tmpdir(), "guestd-openapi-"));
    chmodSync(folder.path, 0o777);
    const [from, to] = [join(folder.path, "from"), join(folder.path, "to")];
    await daemon.fetch("/v1/git/init", json(JSON.stringify({ path: from })));
    const body = JSON.stringify({ url: from, path: to, allowFile: true });
    const headers = { "Content-Type": "application/json", ...ndjson };
    const response = await daemon.fetch("/v1/git/clone", { method: "POST", headers, body });
    expect(await check("POST /v1/git/clone", CloneEvent, response)).toEqual(new Set(["result"]));
    expect(v.is(HeadEvent, { type: "progress", stage: "receiving objects", percent: 1, done: 1, total: 100 })).toBe(
      true,
    );
  });
});

function json(body: string): RequestInit {
  return { method: "POST", headers: { "Content-Type": "application/json" }, body };
}

function basic(user: string): Record<string, string> {
  return { Authorization: `Basic ${Buffer.from(`${user}:`).toString("base64")}` };
}

/** A daemon whose ready command never succeeds. */
async function startingDaemon(): Promise<TestDaemon> {
  return startTestDaemon({ env: { GUESTD_READY_CMD: "false" } });
}
