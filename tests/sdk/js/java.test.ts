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

test("java prints text and the end of its line, gives values and has state, in its default context", async () => {
  const printed = await sandbox.runCode('System.out.println("Hello, World!")', { language: "java" });
  expect(printed.logs.stdout).toEqual(["Hello, World!", "\n"]);
  await sandbox.runCode("record Point(int x, int y) {}\nvar p = new Point(1, 2);", { language: "java" });
  const result = await sandbox.runCode("p", { language: "java" });
  expect([result.text, result.results[0]?.isMainResult]).toEqual(["Point[x=1, y=2]", true]);
  const { error } = await sandbox.runCode("Object o = null;\no.hashCode()", { language: "java" });
  expect(error?.name).toBe("NullPointerException");
  expect(error?.traceback).toMatch(/^java\.lang\.NullPointerException: .*\n\tat cell-4\.java:2$/);
});

test("a context of java has its folder and the variables of a call", async () => {
  const context = await sandbox.createCodeContext({ language: "java", cwd: "/tmp" });
  expect(context.language).toBe("java");
  expect((await sandbox.runCode('System.getProperty("user.dir")', { context })).text).toBe("/tmp");
  const code = 'System.getProperty("FOO", "default")';
  expect((await sandbox.runCode(code, { context, envs: { FOO: "it's" } })).text).toBe("it's");
  expect((await sandbox.runCode(code, { context })).text).toBe("default");
  await sandbox.removeCodeContext(context);
});

test("java is interrupted when its caller gives up, and keeps its state", async () => {
  await sandbox.runCode("int kept = 7;", { language: "java" });
  const sleeping = sandbox.runCode("Thread.sleep(600_000);", { language: "java", timeoutMs: 500 });
  await expect(sleeping).rejects.toThrow(/timed out/i);
  expect((await sandbox.runCode("kept", { language: "java" })).text).toBe("7");
});
