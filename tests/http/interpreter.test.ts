import { mkdtempSync, realpathSync, rmSync, chmodSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { childrenOf, isRunning } from "../../src/host/process-tree.ts";
import { startTestDaemon, startToyDaemon, type TestDaemon, until } from "../helpers/daemon.ts";
import { send, type WireReply } from "../unit/edge/connect/wire-client.ts";
import { execute, resultOf, typesOf } from "../unit/kernels/cell-client.ts";

interface Context {
  id: string;
  language: string;
  cwd: string;
}

let daemon: TestDaemon;
let url = "";
beforeAll(async () => {
  daemon = await startToyDaemon();
  url = daemon.interpreterUrl;
});
afterAll(async () => daemon[Symbol.asyncDispose]());

const JSON_TYPE = { "Content-Type": "application/json" };
const post = (path: string, body?: unknown): Promise<WireReply> =>
  send(url, { path, headers: JSON_TYPE, ...(body !== undefined && { body: JSON.stringify(body) }) });
const remove = (id: string): Promise<WireReply> => send(url, { method: "DELETE", path: `/contexts/${id}` });
const list = async (): Promise<Context[]> =>
  JSON.parse((await send(url, { method: "GET", path: "/contexts" })).text) as Context[];
const create = async (body: object = { language: "toy" }): Promise<Context> =>
  JSON.parse((await post("/contexts", body)).text) as Context;

describe("health", () => {
  test("is 503 until the default contexts exist, then 200 with the text OK in quotes", async () => {
    await using fresh = await startTestDaemon({ kernels: "toy", hasInterpreterPort: true });
    const health = () => send(fresh.interpreterUrl, { method: "GET", path: "/health" });
    expect((await health()).status).toBe(503);
    await until(async () => (await health()).status === 200);
    const reply = await health();
    expect([reply.text, reply.headers["content-type"]]).toEqual(['"OK"', "application/json"]);
    const contexts = JSON.parse(
      (await send(fresh.interpreterUrl, { method: "GET", path: "/contexts" })).text,
    ) as Context[];
    expect(contexts.map(({ language }) => language)).toEqual(["toy"]);
  });

  test("comes at once where no language works, and the log says which one does not and why", async () => {
    await using fresh = await startTestDaemon({ kernels: "toy", hasInterpreterPort: true, env: { PATH: "/nowhere" } });
    await until(async () => (await send(fresh.interpreterUrl, { method: "GET", path: "/health" })).status === 200);
    expect(fresh.log).toContainEqual(
      expect.objectContaining({ event: "kernel.unavailable", language: "toy", hint: "install Node" }),
    );
  });

  test("on the API's port is the interpreter's for whoever names its port", async () => {
    const health = { method: "GET", path: "/health" };
    expect((await send(daemon.url, health)).status).toBe(204);
    expect((await send(daemon.url, { ...health, headers: { "E2b-Sandbox-Port": "49999" } })).text).toBe('"OK"');
    expect((await send(url, { method: "GET", path: "/health", headers: { "E2b-Sandbox-Port": "49983" } })).status).toBe(
      204,
    );
  });
});

describe("what is not there", () => {
  test.each([
    ["GET", "/nope", 404, { detail: "Not Found" }, undefined],
    ["POST", "/health", 405, { detail: "Method Not Allowed" }, "GET"],
    ["GET", "/execute", 405, { detail: "Method Not Allowed" }, "POST"],
    ["GET", "/contexts/some-id", 405, { detail: "Method Not Allowed" }, "DELETE"],
    ["DELETE", "/contexts", 405, { detail: "Method Not Allowed" }, "GET, POST"],
  ])("%s %s is %i", async (method, path, status, body, allow) => {
    const reply = await send(url, { method, path });
    expect([reply.status, JSON.parse(reply.text), reply.headers.allow]).toEqual([status, body, allow]);
  });

  test("a context that does not exist is told in plain text", async () => {
    for (const reply of [
      await remove("some-id"),
      await post("/contexts/some-id/restart"),
      await post("/execute", { code: "", context_id: "some-id" }),
    ]) {
      expect([reply.status, reply.text]).toEqual([404, "Context some-id not found"]);
      expect(reply.headers["content-type"]?.toLowerCase()).toBe("text/plain; charset=utf-8");
    }
  });

  test("both a context and a language are one too many", async () => {
    const reply = await post("/execute", { code: "", context_id: "a", language: "toy" });
    expect([reply.status, reply.text]).toEqual([400, "Only one of context_id or language can be provided"]);
  });

  test("a language without a kernel is a failed creation", async () => {
    for (const reply of [
      await post("/execute", { code: "", language: "cobol" }),
      await post("/contexts", { language: "cobol" }),
      await post("/execute", { code: "" }),
    ]) {
      expect(reply.status).toBe(500);
      expect(reply.text).toMatch(/^Failed to create context: /);
      expect(reply.headers["content-type"]?.toLowerCase()).toBe("text/plain; charset=utf-8");
    }
  });
});

/** The details of a 422, without their words. */
function details({ status, text }: WireReply): unknown {
  expect(status).toBe(422);
  return (JSON.parse(text) as { detail: object[] }).detail.map((detail) =>
    Object.fromEntries(Object.entries(detail).filter(([key]) => key !== "msg")),
  );
}

const raw = (path: string, body: string, headers: Record<string, string> = JSON_TYPE): Promise<WireReply> =>
  send(url, { path, headers, body });

describe("a body that is wrong is 422 with the details", () => {
  test("for a member that is missing or no text", async () => {
    expect(details(await post("/execute", {}))).toEqual([{ type: "missing", loc: ["body", "code"], input: null }]);
    expect(details(await post("/execute", { code: 7 }))).toEqual([
      { type: "string_type", loc: ["body", "code"], input: 7 },
    ]);
    const object = { context: {}, language: "toy" };
    expect(details(await post("/execute", { code: object }))).toEqual([
      { type: "string_type", loc: ["body", "code"], input: object },
    ]);
    for (const member of ["language", "context_id", "cwd"]) {
      const path = member === "cwd" ? "/contexts" : "/execute";
      expect((await post(path, { code: "", [member]: 1 })).status).toBe(422);
    }
  });

  test("for variables that are none", async () => {
    for (const env of ["x", 1, [], ["a"]]) {
      expect(details(await post("/execute", { code: "", language: "toy", env_vars: env }))).toEqual([
        { type: "dict_type", loc: ["body", "env_vars"], input: env },
      ]);
    }
    for (const value of [1, null, {}]) {
      expect(details(await post("/execute", { code: "", language: "toy", env_vars: { A: value } }))).toEqual([
        { type: "string_type", loc: ["body", "env_vars", "A"], input: value },
      ]);
    }
  });

  test("for a time limit that is none", async () => {
    for (const limit of [0, -1, 1.5, "5"]) {
      expect((await post("/execute", { code: "", language: "toy", timeout_ms: limit })).status).toBe(422);
    }
  });

  test("for a body that is no JSON, no object, of another type, or empty", async () => {
    for (const path of ["/execute", "/contexts"]) {
      expect(details(await raw(path, "{"))).toMatchObject([{ type: "json_invalid" }]);
      expect(details(await raw(path, ""))).toMatchObject([{ type: "missing", loc: ["body"] }]);
      expect(details(await raw(path, '{"code":""}', { "Content-Type": "text/plain" }))).toMatchObject([
        { type: "model_attributes_type" },
      ]);
      expect((await raw(path, '{"code":""}', {})).status).toBe(422);
      for (const body of ["[]", "null", "7", '"text"']) {
        expect(details(await raw(path, body))).toEqual([
          { type: "model_attributes_type", loc: ["body"], input: JSON.parse(body) },
        ]);
      }
    }
  });

  test("and nothing was created by any of them", async () => {
    expect((await list()).map(({ language }) => language)).toEqual(["toy"]);
  });
});

/** How many kernels there are: each has a shim that is our child. */
const shims = (): number => childrenOf(process.pid).filter(isRunning).length;

describe("contexts", () => {
  test("are created with an id, the language's proper name and the directory as it was asked for", async () => {
    const folder = mkdtempSync(join(tmpdir(), "guestd-context-"));
    chmodSync(folder, 0o755);
    const context = await create({ language: " TY ", cwd: folder });
    expect(context).toEqual({
      id: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/) as string,
      language: "toy",
      cwd: folder,
    });
    expect(resultOf(await execute(url, { context_id: context.id, code: "cwd" }))).toBe(realpathSync(folder));
    await remove(context.id);
    rmSync(folder, { recursive: true });
  });

  test("are created with a directory that cannot be used just the same", async () => {
    for (const cwd of [
      "/root/secret",
      "/nope",
      "/etc/passwd",
      "relative/nope",
      "~ghost/x",
      `/${"x".repeat(300)}`,
      `/${"y/".repeat(3000)}`,
    ]) {
      const reply = await post("/contexts", { language: "toy", cwd });
      expect([cwd.slice(0, 20), reply.status]).toEqual([cwd.slice(0, 20), 200]);
      const context = JSON.parse(reply.text) as Context;
      expect(context.cwd).toBe(cwd);
      expect(typesOf(await execute(url, { context_id: context.id, code: "cwd" }))).toContain("result");
      await remove(context.id);
    }
  });

  test("take absent, null and empty for the default", async () => {
    for (const cwd of [undefined, null, ""]) {
      const context = await create({ language: "toy", cwd });
      expect(context.cwd).toBe((await list())[0]?.cwd);
      await remove(context.id);
    }
  });

  test("are listed in order of their creation, and gone when removed", async () => {
    const before = await list();
    const made: Context[] = [];
    for (let index = 0; index < 3; index += 1) made.push(await create());
    expect(await list()).toEqual([...before, ...made]);
    const reply = await remove(made[1]?.id ?? "");
    expect([reply.status, reply.text, reply.headers["content-type"]]).toEqual([200, "null", "application/json"]);
    expect(await list()).toEqual([...before, made[0], made[2]]);
    expect((await remove(made[1]?.id ?? "")).status).toBe(404);
    await Promise.all([made[0], made[2]].map((context) => remove(context?.id ?? "")));
  });

  test("keep id and place over a restart, and lose their state; no body is needed", async () => {
    const context = await create();
    const other = await create();
    await execute(url, { context_id: context.id, code: "set x 1" });
    expect(resultOf(await execute(url, { context_id: context.id, code: "get x" }))).toBe("1");
    const reply = await send(url, { path: `/contexts/${context.id}/restart` });
    expect([reply.status, reply.text]).toEqual([200, "null"]);
    expect((await list()).slice(-2)).toEqual([context, other]);
    const [start, ...rest] = await execute(url, { context_id: context.id, code: "get x" });
    expect([start?.execution_count, resultOf(rest)]).toEqual([1, "none"]);
    await Promise.all([remove(context.id), remove(other.id)]);
  });

  test("start again where they were created, not elsewhere", async () => {
    const context = await create({ language: "toy", cwd: "/usr" });
    await send(url, { path: `/contexts/${context.id}/restart` });
    expect(resultOf(await execute(url, { context_id: context.id, code: "cwd" }))).toBe("/usr");
    await remove(context.id);
  });

  test("that are the default of their language come back when somebody needs them, once for many", async () => {
    const [byDefault] = (await list()).filter(({ language }) => language === "toy");
    await remove(byDefault?.id ?? "");
    expect(await list()).toEqual([]);
    const cells = await Promise.all([1, 2, 3, 4].map(() => execute(url, { language: "TOY", code: "result 1" })));
    expect(cells.map(resultOf)).toEqual(["1", "1", "1", "1"]);
    expect((await list()).map(({ language }) => language)).toEqual(["toy"]);
    expect((await list())[0]?.id).not.toBe(byDefault?.id);
  });

  test("of one language and its alias are one default context", async () => {
    await execute(url, { language: "toy", code: "set shared yes" });
    expect(resultOf(await execute(url, { language: "ty", code: "get shared" }))).toBe("yes");
  });

  test("leave no process behind when they are removed, also while they restart", async () => {
    const before = shims();
    for (let round = 0; round < 5; round += 1) {
      const context = await create();
      await Promise.all([post(`/contexts/${context.id}/restart`), remove(context.id)]);
    }
    await until(() => shims() <= before, 3000);
    expect((await list()).length).toBe(1);
  });
});

test("nothing of all this was a bug of the daemon's: its log has none", () => {
  expect(daemon.log.filter(({ event }) => event === "bug")).toEqual([]);
});
