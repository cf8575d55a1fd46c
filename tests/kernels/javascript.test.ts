import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CodeSession } from "../helpers/code-contexts.ts";
import { REPOSITORY, startTestDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { errorsOf, CellStream, execute, resultOf, textOf } from "../unit/kernels/cell-client.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startTestDaemon({ kernels: "real", argv: ["--kernels", "javascript,typescript"] });
});
afterAll(async () => daemon?.[Symbol.asyncDispose]());

async function createContext(language: string): Promise<string> {
  const body = JSON.stringify({ language });
  const headers = { "Content-Type": "application/json" };
  const response = await daemon.fetch("/contexts", { method: "POST", headers, body });
  return ((await response.json()) as { id: string }).id;
}

describe.each(["javascript", "typescript"])("%s", (language) => {
  test("a client that leaves interrupts its cell and nothing else", async () => {
    const id = await createContext(language);
    const stream = await CellStream.open(daemon.url, {
      context_id: id,
      code: "let kept = 'yes'; console.log('up'); await new Promise(() => {})",
    });
    for (let line = await stream.nextBytes(); line && !line.includes("stdout");) line = await stream.nextBytes();
    stream.response.destroy();
    const lines = await execute(daemon.url, { context_id: id, code: "kept" });
    expect(resultOf(lines), JSON.stringify(lines)).toBe("yes");
  });

  test("works in its directory with the variables of the moment, also when a spare one is ready", async () => {
    await using first = await CodeSession.open(daemon.url, { language, cwd: "/usr" });
    const body = JSON.stringify({ envVars: { OWN: "sandbox" } });
    await daemon.fetch("/init", { method: "POST", headers: { "Content-Type": "application/json" }, body });
    await using second = await CodeSession.open(daemon.url, { language, cwd: "/tmp" });
    const where = "[process.cwd(), __dirname, require('path').resolve('.'), process.env.OWN].join()";
    expect(await first.value(where)).toBe("/usr,/usr,/usr,sandbox");
    expect(await second.value(where)).toBe("/tmp,/tmp,/tmp,sandbox");
    expect(await first.value("process.pid")).not.toBe(await second.value("process.pid"));
    await daemon.fetch("/init", { method: "POST", body: "{}" });
  });

  test("what a tick throws is told, and process.exit in one ends the cell", async () => {
    await using session = await CodeSession.open(daemon.url, { language });
    const lines = await session.run("process.nextTick(() => { throw new Error('of a tick') }); await null; 5");
    const told = lines.filter(({ type }) => type === "stderr").map(({ text }) => text);
    expect([resultOf(lines), told.join("")]).toEqual(["5", expect.stringContaining("Uncaught Error: of a tick")]);
    const left = await session.run("process.nextTick(() => process.exit(3)); await new Promise(() => {})");
    expect(errorsOf(left)).toEqual([{ name: "ProcessExit", value: "process.exit(3) called" }]);
  });

  test("each call of console.log is an event", async () => {
    const id = await createContext(language);
    const lines = await execute(daemon.url, { context_id: id, code: "console.log('a'); console.log('b\\nc')" });
    expect(lines.filter(({ type }) => type === "stdout").map(({ text }) => text)).toEqual(["a\n", "b\nc\n"]);
    expect(textOf(lines)).toBe("a\nb\nc\n");
  });
});

test("an add-on that this Node cannot load is told by the probe", () => {
  const folder = mkdtempSync(join(tmpdir(), "probe-"));
  copyFileSync(join(REPOSITORY, "kernels", "javascript", "probe.cjs"), join(folder, "probe.cjs"));
  mkdirSync(join(folder, "built"));
  writeFileSync(join(folder, "built", "driver.cjs"), "");
  writeFileSync(join(folder, "built", "interrupts.node"), "not a library");
  const { status, stderr } = spawnSync(process.execPath, [join(folder, "probe.cjs")], { encoding: "utf8" });
  rmSync(folder, { recursive: true });
  expect(status).toBe(1);
  expect(stderr).toMatch(/^Node\.js [\d.]+ cannot load the driver's add-on: .+\n$/);
});

test("a driver that is not built is told by the probe", () => {
  const folder = mkdtempSync(join(tmpdir(), "probe-"));
  copyFileSync(join(REPOSITORY, "kernels", "javascript", "probe.cjs"), join(folder, "probe.cjs"));
  const { status, stderr } = spawnSync(process.execPath, [join(folder, "probe.cjs")], { encoding: "utf8" });
  rmSync(folder, { recursive: true });
  expect([status, stderr]).toEqual([1, "the driver is not built: run npm run build\n"]);
});
