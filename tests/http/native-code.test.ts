import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTestDaemon, startToyDaemon, type TestDaemon, until } from "../helpers/daemon.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startToyDaemon();
});
afterAll(async () => daemon[Symbol.asyncDispose]());

type Answer = Record<string, unknown>;

const post = (path: string, body: string, init: RequestInit = {}): Promise<Response> =>
  daemon.fetch(path, { method: "POST", body, ...init });
const run = (code: string, query = "", accept = "application/json"): Promise<Response> =>
  post(`/v1/code/toy${query}`, code, { headers: { Accept: accept } });
const result = async (code: string, query = ""): Promise<Answer> => (await run(code, query)).json() as Promise<Answer>;

test("events tell a cell in order, from its start to its end", async () => {
  const text = await (await run("print a\nresult 1\nthrow oops", "", "application/x-ndjson")).text();
  const events = text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Answer);
  expect(events.map(({ type }) => type)).toEqual(["start", "count", "output", "result", "error", "end"]);
  expect(events.at(-1)).toMatchObject({ ending: "finished", detail: "error", exitCode: null });
});

test("a cell that has to wait says at once how many come before it", async () => {
  const { id } = (await (await post("/v1/contexts", '{"language":"toy"}')).json()) as { id: string };
  const leaving = new AbortController();
  const headers = { Accept: "application/x-ndjson" };
  const start = async (code: string): Promise<unknown> => {
    const response = await post(`/v1/code/toy?context=${id}`, code, { headers, signal: leaving.signal });
    const { value = new Uint8Array() } = (await response.body?.getReader().read()) ?? {};
    return JSON.parse(Buffer.from(value).toString().split("\n", 1)[0] ?? "");
  };
  const place = { type: "start", contextId: id };
  expect(await start("print on\nsleep 60000")).toMatchObject({ ...place, cellsAhead: 0 });
  expect(await start("result 1")).toMatchObject({ ...place, cellsAhead: 1 });
  expect(await start("result 2")).toMatchObject({ ...place, cellsAhead: 2 });
  expect(await (await daemon.fetch(`/v1/contexts/${id}`)).json()).toMatchObject({ cells: 3 });
  leaving.abort();
  await until(async () => ((await (await daemon.fetch(`/v1/contexts/${id}`)).json()) as Answer)["cells"] === 0);
});

test("a cell is a run whose log can be read again", async () => {
  const response = await run("print again", "", "text/plain");
  expect(await response.text()).toBe("again\n");
  const path = response.headers.get("location") ?? "";
  expect(await (await daemon.fetch(path)).json()).toMatchObject({ kind: "cell", state: "ended", ending: "finished" });
  expect(await (await daemon.fetch(`${path}/log?stream=stdout`)).text()).toBe("again\n");
});

test("a cell whose kernel is killed names the signal", async () => {
  expect(await result("kill")).toMatchObject({ ending: "signaled", signal: "SIGKILL", exitCode: null });
  expect(await (await run("kill", "?status=1", "text/plain")).text()).toMatch(/\nsignal SIGKILL\n$/);
});

test("a cell whose time is up ends as one, and its context goes on", async () => {
  expect(await result("sleep 60000", "?timeoutMs=50")).toMatchObject({ ending: "timeout", detail: "wall" });
  expect(await result("result 2")).toMatchObject({ ending: "finished", detail: "ok" });
});

test("a client that leaves interrupts its cell", async () => {
  const leaving = new AbortController();
  const headers = { Accept: "application/x-ndjson" };
  const response = await post("/v1/code/toy", "print on\nsleep 60000", { headers, signal: leaving.signal });
  const path = `/v1/runs/${response.headers.get("guestd-run-id")}`;
  leaving.abort();
  await until(async () => ((await (await daemon.fetch(path)).json()) as Answer)["ending"] === "cancelled");
  expect(await result("result 3")).toMatchObject({ ending: "finished", detail: "ok" });
});

test("a kernel that dies is told once, and the next cell has another", async () => {
  const answer = await result("die");
  expect(answer["error"]).toMatchObject({ name: "ContextRestarting" });
  expect(await result("result 4")).toMatchObject({ ending: "finished", detail: "ok" });
});

test.each([
  [{ "A=B": "x" }, `environment variable name "A=B" contains '='`],
  [{ A: "x\0y" }, `the value of environment variable "A" contains a NUL byte`],
])("variables that cannot be are refused before anything runs", async (envs, message) => {
  const headers = { "Content-Type": "application/json" };
  const response = await post("/v1/code/toy", JSON.stringify({ code: "print ran", envs }), { headers });
  expect([response.status, await response.json()]).toMatchObject([400, { code: "invalid_argument", detail: message }]);
});

test("a context of another language is refused", async () => {
  const { contextId } = await result("result 5");
  const response = await post(`/v1/code/other?context=${String(contextId)}`, "1");
  expect([response.status, await response.json()]).toMatchObject([400, { code: "invalid_argument" }]);
});

describe("a language that does not work here", () => {
  let lacking: TestDaemon;
  beforeAll(async () => {
    lacking = await startTestDaemon({ kernels: "toy", env: { PATH: "/nowhere" } });
  });
  afterAll(async () => lacking[Symbol.asyncDispose]());

  test.each([
    ["/v1/code/toy", "result 1", "text/plain"],
    ["/v1/contexts", '{"language":"toy"}', "application/json"],
  ])("is 503 at %s, with what would help", async (path, body, type) => {
    const response = await lacking.fetch(path, { method: "POST", body, headers: { "Content-Type": type } });
    expect([response.status, await response.json()]).toMatchObject([
      503,
      {
        code: "unavailable",
        reason: "kernel_unavailable",
        hint: "install Node",
        detail: expect.stringMatching(/node/),
      },
    ]);
  });

  test("is 500 in the words of the interpreter contract at its own paths", async () => {
    const headers = { "Content-Type": "application/json" };
    const response = await lacking.fetch("/contexts", { method: "POST", body: '{"language":"toy"}', headers });
    expect([response.status, await response.text()]).toMatchObject([
      500,
      expect.stringMatching(/^Failed to create context: .*\(install Node\)$/),
    ]);
  });
});

test("one context more than are allowed is 429 on both faces, and says what to do", async () => {
  await using limited = await startTestDaemon({ kernels: "toy", argv: ["--max-contexts", "1"] });
  const create = (path: string): Promise<Response> =>
    limited.fetch(path, {
      method: "POST",
      body: '{"language":"toy"}',
      headers: { "Content-Type": "application/json" },
    });
  await until(async () => ((await (await limited.fetch("/contexts")).json()) as unknown[]).length === 1);
  const native = await create("/v1/contexts");
  expect([native.status, await native.json()]).toMatchObject([
    429,
    { code: "resource_exhausted", reason: "too_many_contexts", hint: expect.stringContaining("--max-contexts") },
  ]);
  const wire = await create("/contexts");
  expect([wire.status, await wire.text()]).toEqual([
    429,
    "Failed to create context: there are as many code contexts as may be: 1 (remove one with DELETE /contexts/{id}, or start guestd with a higher --max-contexts)",
  ]);
});
