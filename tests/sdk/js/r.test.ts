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

test("r prints and gives values as R's prompt does, in its default context", async () => {
  const printed = await sandbox.runCode('print("Hello, World!")', { language: "r" });
  expect(printed.logs.stdout).toEqual(['[1] "Hello, World!"\n']);
  await sandbox.runCode("x <- c(1, 2.5)", { language: "r" });
  expect((await sandbox.runCode("x * 2", { language: "r" })).text).toBe("[1] 2 5");
  const { error } = await sandbox.runCode("f <- function(n) stop('bad: ', n)\nf(3)", { language: "r" });
  expect(error).toMatchObject({ name: "Error", value: "bad: 3" });
  expect(error?.traceback).toContain("1. f(3)");
});

test("r has data frames as data and plots as images", async () => {
  const frame = await sandbox.runCode("data.frame(n = 1:2, s = c('a', NA))", { language: "r" });
  expect(frame.results[0]).toMatchObject({ isMainResult: true, data: { n: [1, 2], s: ["a", null] } });
  expect(frame.results[0]?.html).toContain("<table");
  const plots = await sandbox.runCode("plot(1); hist(c(1, 2, 2))", { language: "r" });
  expect(plots.results.map(({ png, isMainResult }) => [png?.slice(0, 11), isMainResult])).toEqual([
    ["iVBORw0KGgo", false],
    ["iVBORw0KGgo", false],
  ]);
});

test("a context of r has its folder and the variables of a call", async () => {
  const context = await sandbox.createCodeContext({ language: "r", cwd: "/tmp" });
  expect(context.language).toBe("r");
  expect((await sandbox.runCode("getwd()", { context })).text).toBe('[1] "/tmp"');
  const seen = await sandbox.runCode("Sys.getenv('FOO', 'default')", { context, envs: { FOO: "it's" } });
  expect(seen.text).toBe('[1] "it\'s"');
  expect((await sandbox.runCode("Sys.getenv('FOO', 'default')", { context })).text).toBe('[1] "default"');
  await sandbox.restartCodeContext(context);
  expect((await sandbox.runCode("exists('x'); getwd()", { context })).text).toBe('[1] "/tmp"');
  await sandbox.removeCodeContext(context);
});

test("r is interrupted when its caller gives up, and keeps its state", async () => {
  const context = await sandbox.createCodeContext({ language: "r" });
  await sandbox.runCode("kept <- 7", { context });
  await expect(sandbox.runCode("system('sleep 600')", { context, timeoutMs: 500 })).rejects.toThrow(/timed out/i);
  expect((await sandbox.runCode("kept", { context })).text).toBe("[1] 7");
});
