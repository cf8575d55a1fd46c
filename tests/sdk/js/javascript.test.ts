import { Sandbox } from "@e2b/code-interpreter";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type BuiltDaemon, startBuiltDaemon } from "../../helpers/built-daemon.ts";

let daemon: BuiltDaemon;
let sandbox: Sandbox;
beforeAll(async () => {
  daemon = await startBuiltDaemon();
  sandbox = await Sandbox.create({ debug: true, sandboxUrl: daemon.url });
});
afterAll(async () => daemon?.[Symbol.asyncDispose]());

test("javascript prints, awaits and imports in its default context", async () => {
  const printed = await sandbox.runCode('console.log("Hello World!")', { language: "js" });
  expect(printed.logs.stdout).toEqual(["Hello World!\n"]);
  const awaited = await sandbox.runCode("\n    await Promise.resolve('Hello World!')\n", { language: "javascript" });
  expect(awaited.text).toBe("Hello World!");
  const imported = "import { readFileSync } from 'fs'\nconsole.log(typeof readFileSync)";
  expect((await sandbox.runCode(imported, { language: "js" })).logs.stdout).toEqual(["function\n"]);
});

test("typescript has a default context of its own", async () => {
  await sandbox.runCode("globalThis.shared = 1", { language: "js" });
  const code = "const message: string = 'Hello, World!'; console.log(message)";
  expect((await sandbox.runCode(code, { language: "ts" })).logs.stdout).toEqual(["Hello, World!\n"]);
  expect((await sandbox.runCode("typeof (globalThis as any).shared", { language: "ts" })).text).toBe("undefined");
});

test("contexts of their own have their folder and the variables of a call", async () => {
  for (const language of ["js", "ts"]) {
    const context = await sandbox.createCodeContext({ language, cwd: "/tmp" });
    expect((await sandbox.runCode("process.cwd()", { context })).text).toBe("/tmp");
    const seen = await sandbox.runCode("process.env.FOO", { context, envs: { FOO: "it's" } });
    expect(seen.text).toBe("it's");
    expect((await sandbox.runCode("process.env.FOO ?? 'default'", { context })).text).toBe("default");
    await sandbox.removeCodeContext(context);
  }
});

test("errors have their name, value and the line of the cell", async () => {
  const { error } = await sandbox.runCode("1\nthrow new RangeError('far')", { language: "ts" });
  expect(error).toMatchObject({ name: "RangeError", value: "far" });
  expect(error?.traceback).toMatch(/cell-\d+\.ts:2:7/);
});
