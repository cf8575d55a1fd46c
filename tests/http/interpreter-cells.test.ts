import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startToyDaemon, type TestDaemon, until } from "../helpers/daemon.ts";
import { send, type WireReply } from "../unit/edge/connect/wire-client.ts";
import {
  type CellLine,
  CellStream,
  errorsOf,
  execute,
  resultOf,
  textOf,
  typesOf,
} from "../unit/kernels/cell-client.ts";

let daemon: TestDaemon;
let url = "";
beforeAll(async () => {
  daemon = await startToyDaemon();
  url = daemon.interpreterUrl;
});
afterAll(async () => daemon[Symbol.asyncDispose]());

const cell = (code: string, more: object = {}) => execute(url, { language: "toy", code, ...more });

/** The value that a cell finds a variable at. */
const env = async (name: string, vars?: Record<string, string>): Promise<string | undefined> =>
  resultOf(await cell(`env ${name}`, { env_vars: vars }));

/** Sets the variables of all programs. */
const init = (envVars: Record<string, string>): Promise<WireReply> =>
  send(daemon.url, {
    path: "/init",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ envVars }),
  });

/** How the run of a cell ended. */
async function stateOf(code: string, more: object = {}): Promise<[ending: string, detail: string]> {
  const stream = await CellStream.open(url, { language: "toy", code, ...more });
  await stream.until();
  const run = await daemon.fetch(`/v1/runs/${String(stream.headers["guestd-run-id"])}`);
  const { ending, detail } = (await run.json()) as { ending: string; detail: string };
  return [ending, detail];
}

describe("the stream of a cell", () => {
  test("begins with the count, ends with the end, and keeps what the cell did in order", async () => {
    const lines = await cell(
      'print a\ndisplay {"text/html":"<b>"}\nprint b\nresult \'x\'\nerr c\ndisplay {"text/html":"<i>"}\nprint d',
    );
    expect(lines.map(({ type, text, html, name }) => [type, text ?? html ?? name])).toEqual([
      ["number_of_executions", undefined],
      ["stdout", "a\n"],
      ["result", "<b>"],
      ["stdout", "b\n"],
      ["result", "x"],
      ["stderr", "c\n"],
      ["result", "<i>"],
      ["stdout", "d\n"],
      ["end_of_execution", undefined],
    ]);
  });

  test("has the reference's members in each line", async () => {
    const lines = await cell('print x\nresult 1\ndisplay {"image/gif":"R0lG","e2b/chart":{"title":null}}\nthrow oops');
    const timestamp = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00$/) as string;
    expect(lines).toEqual([
      { type: "number_of_executions", execution_count: expect.any(Number) as number },
      { type: "stdout", text: "x\n", timestamp },
      { type: "result", text: "1", extra: {}, is_main_result: true },
      { type: "result", chart: { title: null }, extra: { "image/gif": "R0lG" }, is_main_result: false },
      { type: "error", name: "ToyError", value: "oops", traceback: "" },
      { type: "end_of_execution" },
    ]);
  });

  test("is counted up by one for each cell", async () => {
    const first = (await cell(""))[0]?.execution_count ?? 0;
    expect((await cell("throw x"))[0]?.execution_count).toBe(first + 1);
    expect((await cell("print x"))[0]?.execution_count).toBe(first + 2);
  });

  test("may be empty", async () => {
    expect(typesOf(await cell(""))).toEqual(["number_of_executions", "end_of_execution"]);
  });

  test("is pure ASCII without an empty line, whatever is printed", async () => {
    const odd = 'é€😀 \u0085\u2028\u2029 \u007f \\ " \t';
    const stream = await CellStream.open(url, {
      language: "toy",
      code: `print ${odd}\nerr ${odd}\ndisplay {"text/plain":"'é😀'"}\nprint \n`,
    });
    const lines: Buffer[] = [];
    for (let line = await stream.nextBytes(); line; line = await stream.nextBytes()) lines.push(line);
    for (const line of lines) {
      expect(line.length).toBeGreaterThan(1);
      expect(line.every((byte) => byte >= 0x20 && byte < 0x7f)).toBe(true);
    }
    const texts = lines.map((line) => JSON.parse(line.toString()) as { type: string; text?: string });
    expect(textOf(texts)).toBe(`${odd}\n\n`);
    expect(textOf(texts, "stderr")).toBe(`${odd}\n`);
    expect(texts.find(({ type }) => type === "result")?.text).toBe("é😀");
  });

  test("joins quick prints, cuts where the kernel says a unit ends, and takes foreign markers for text", async () => {
    expect((await cell("print a\nprint b")).filter(({ type }) => type === "stdout").map(({ text }) => text)).toEqual([
      "a\nb\n",
    ]);
    expect(
      (await cell("write a\nunit\nwrite b")).filter(({ type }) => type === "stdout").map(({ text }) => text),
    ).toEqual(["a", "b"]);
    expect(textOf(await cell("write <\nforeign\nwrite >"))).toBe("<\0\x1b]K;0000;7\x07>");
  });

  test("gets what was printed between the cells in the next one", async () => {
    await cell("later 30");
    let lines: CellLine[] = [];
    await until(async () => textOf((lines = await cell("print now"))).includes("late"));
    expect([textOf(lines), lines[0]?.type]).toEqual(["late\nnow\n", "number_of_executions"]);
  });

  test("takes a large cell, and one with unknown members", async () => {
    expect(textOf(await cell(`print ${"x".repeat(200_000)}`, { unknown: [1], "x-y": null }))).toBe(
      `${"x".repeat(200_000)}\n`,
    );
  });

  test("has its type, its run and no length in the headers, before the cell runs", async () => {
    const stream = await CellStream.open(url, { language: "toy", code: "sleep 150" });
    expect([stream.status, stream.headers["content-length"], stream.headers["transfer-encoding"]]).toEqual([
      200,
      undefined,
      "chunked",
    ]);
    expect(stream.headers["guestd-run-id"]).toMatch(/^run_[0-9a-f]{20}$/);
    await stream.until();
  });
});

describe("variables of a cell", () => {
  test("are there for that cell only, and whatever they replace comes back", async () => {
    expect(await env("FOO", { FOO: "bar" })).toBe("bar");
    expect(await env("FOO")).toBe("none");
    const home = await env("HOME");
    expect(await env("HOME", { HOME: "/else" })).toBe("/else");
    expect(await env("HOME")).toBe(home);
  });

  test("come back also after an error, an interruption or a client that left", async () => {
    await cell("throw x", { env_vars: { A: "1" } });
    await cell("sleep 60000", { env_vars: { B: "1" }, timeout_ms: 100 });
    const stream = await CellStream.open(url, { language: "toy", code: "print up\nsleep 60000", env_vars: { C: "1" } });
    await stream.until(({ type }) => type === "stdout");
    stream.destroy();
    for (const name of ["A", "B", "C"]) expect(resultOf(await cell(`env ${name}`))).toBe("none");
  });

  test("keep every character of their values", async () => {
    for (const value of ["it's", 'say "hi"', "a\nb", "$HOME `id`", "\\n", "é😀", " ", "=", "x".repeat(100_000)]) {
      // Results lose one pair of outer quotes: these values have none.
      expect(resultOf(await cell("env V", { env_vars: { V: value } }))).toBe(value);
    }
  });

  test("may be null or none", async () => {
    expect(resultOf(await cell("result 1", { env_vars: null }))).toBe("1");
    expect(resultOf(await cell("result 1", { env_vars: {} }))).toBe("1");
  });

  test("that cannot be end the cell with one error, and the context goes on", async () => {
    const lines = await cell("print x", { env_vars: { "A=B": "c" } });
    expect([errorsOf(lines).length, lines.at(-1)?.type]).toEqual([1, "end_of_execution"]);
    expect(resultOf(await cell("result 1"))).toBe("1");
  });
});

describe("variables of all programs", () => {
  test("that /init sets later are seen by the next cell, of contexts old and new; those it drops are gone", async () => {
    expect(await env("GLOBAL")).toBe("none");
    await init({ GLOBAL: "one", OTHER: "x" });
    expect([await env("GLOBAL"), await env("OTHER")]).toEqual(["one", "x"]);
    await init({ GLOBAL: "two" });
    expect([await env("GLOBAL"), await env("OTHER")]).toEqual(["two", "none"]);
    const { id } = JSON.parse(
      (
        await send(url, {
          path: "/contexts",
          headers: { "Content-Type": "application/json" },
          body: '{"language":"toy"}',
        })
      ).text,
    ) as { id: string };
    expect(resultOf(await execute(url, { context_id: id, code: "env GLOBAL" }))).toBe("two");
    await send(url, { path: `/contexts/${id}/restart` });
    expect(resultOf(await execute(url, { context_id: id, code: "env GLOBAL" }))).toBe("two");
    await send(url, { method: "DELETE", path: `/contexts/${id}` });
  });

  test("that stood in for those of a login give way to them again", async () => {
    const [home, path] = [await env("HOME"), await env("PATH")];
    await init({ HOME: "/elsewhere", PATH: `/elsewhere:${path}` });
    expect([await env("HOME"), await env("PATH")]).toEqual(["/elsewhere", `/elsewhere:${path}`]);
    await init({});
    expect([await env("HOME"), await env("PATH")]).toEqual([home, path]);
  });

  test("come back after a cell that had its own", async () => {
    await init({ GLOBAL: "again" });
    expect(resultOf(await cell("env GLOBAL", { env_vars: { GLOBAL: "mine" } }))).toBe("mine");
    expect(resultOf(await cell("env GLOBAL"))).toBe("again");
    await init({});
    expect(resultOf(await cell("env GLOBAL"))).toBe("none");
  });
});

describe("a cell is a run", () => {
  test("that can be looked at and read again, as long as it is kept", async () => {
    const stream = await CellStream.open(url, { language: "toy", code: "print out\nerr err\nresult 7" });
    await stream.until();
    const id = String(stream.headers["guestd-run-id"]);
    const run = (await (await daemon.fetch(`/v1/runs/${id}`)).json()) as Record<string, unknown>;
    expect(run).toMatchObject({
      id,
      kind: "cell",
      state: "ended",
      cmd: "toy",
      ending: "finished",
      detail: "ok",
      exitCode: null,
      pid: null,
    });
    expect(await (await daemon.fetch(`/v1/runs/${id}/log?stream=stdout`)).text()).toBe("out\n");
    expect(await (await daemon.fetch(`/v1/runs/${id}/log?stream=stderr`)).text()).toBe("err\n");
    const events = await (
      await daemon.fetch(`/v1/runs/${id}/log`, { headers: { Accept: "application/x-ndjson" } })
    ).text();
    const last = JSON.parse(events.trim().split("\n").at(-1) ?? "") as Record<string, unknown>;
    expect(last).toMatchObject({ type: "end", ending: "finished" });
    expect(events).toContain("out");
  });

  test("that failed, or was interrupted, says so", async () => {
    expect(await stateOf("throw x")).toEqual(["finished", "error"]);
    expect(await stateOf("sleep 60000", { timeout_ms: 100 })).toEqual(["timeout", "wall"]);
  });

  test("has no process of its own to signal or feed", async () => {
    const stream = await CellStream.open(url, { language: "toy", code: "print up\nsleep 300" });
    await stream.until(({ type }) => type === "stdout");
    const id = String(stream.headers["guestd-run-id"]);
    const signal = await daemon.fetch(`/v1/runs/${id}/signal`, { method: "POST", body: '{"signal":"SIGTERM"}' });
    expect([signal.status, (await signal.json()) as object]).toMatchObject([409, { code: "failed_precondition" }]);
    expect(typesOf(await stream.until()).at(-1)).toBe("end_of_execution");
  });
});

describe("much output", () => {
  test("of 20 MB reaches a client that reads slowly, whole", async () => {
    const stream = await CellStream.open(url, { language: "toy", code: "flood 20000000\nresult done" });
    stream.response.pause();
    const run = `/v1/runs/${String(stream.headers["guestd-run-id"])}`;
    await until(async () => {
      const { log } = (await (await daemon.fetch(run)).json()) as { log: { stdout?: { end: number } } };
      return log.stdout?.end === 20_000_000;
    });
    let size = 0;
    const lines = await stream.until((line) => {
      if (line.type === "stdout") size += line.text?.length ?? 0;
      return line.type === "end_of_execution";
    });
    expect([size, resultOf(lines)]).toEqual([20_000_000, "done"]);
  });

  test("whose client leaves in the middle leaves the context usable, with its state", async () => {
    const stream = await CellStream.open(url, { language: "toy", code: "set kept yes\nflood 50000000\nsleep 60000" });
    await stream.until(({ type }) => type === "stdout");
    stream.destroy();
    // Were it not interrupted, it would lose its kernel, and with it the state.
    expect(resultOf(await cell("get kept"))).toBe("yes");
  });

  test("of one cell does not hold up another context", async () => {
    const { id } = JSON.parse(
      (
        await send(url, {
          path: "/contexts",
          headers: { "Content-Type": "application/json" },
          body: '{"language":"toy"}',
        })
      ).text,
    ) as { id: string };
    const stalled = await CellStream.open(url, { language: "toy", code: "flood 10000000" });
    stalled.response.pause();
    expect(resultOf(await execute(url, { context_id: id, code: "result free" }))).toBe("free");
    await stalled.until();
    await send(url, { method: "DELETE", path: `/contexts/${id}` });
  });
});

test("nothing of all this was a bug of the daemon's: its log has none", () => {
  expect(daemon.log.filter(({ event }) => event === "bug")).toEqual([]);
});
