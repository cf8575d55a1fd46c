import { spawn } from "node:child_process";
import { once } from "node:events";
import { afterAll, beforeAll, expect, test } from "vitest";
import { CodeSession } from "../helpers/code-contexts.ts";
import { startTestDaemon, type TestDaemon, until } from "../helpers/daemon.ts";
import { textOf } from "../unit/kernels/cell-client.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startTestDaemon({ kernels: "real", hasInterpreterPort: true });
  await until(async () => (await fetch(`${daemon.interpreterUrl}/health`)).status === 200, 60_000);
});
afterAll(async () => daemon?.[Symbol.asyncDispose]());

async function post(path: string): Promise<Response> {
  return daemon.fetch(path, { method: "POST" });
}

test.each(["python", "javascript", "bash"])(
  "%s: a frozen context keeps what it has; cells, interrupts and new contexts wait for the thaw",
  async (language) => {
    await using context = await CodeSession.open(daemon.interpreterUrl, { language });
    const [set, get, loop] = {
      python: ["x = 42", "print(x)", "import time\nprint('up', flush=True)\nwhile True: time.sleep(0.01)"],
      javascript: [
        "x = 42",
        "console.log(x)",
        "console.log('up'); for (;;) await new Promise((r) => setTimeout(r, 10))",
      ],
      bash: ["x=42", "echo $x", "echo up; while :; do sleep 0.01; done"],
    }[language] as [string, string, string];
    await context.run(set);
    const endless = await context.openUp(loop);
    const report = (await (await post("/freeze?maxWaitMs=10000")).json()) as Record<string, number>;
    expect(report).toMatchObject({ notFrozen: 0, failed: 0 });
    expect(report["frozen"]).toBeGreaterThan(0);
    const settled: string[] = [];
    const interrupted = context.interrupt("?graceMs=100").then((came) => {
      settled.push("interrupt");
      return came;
    });
    const opened = CodeSession.open(daemon.interpreterUrl, { language }).then((session) => {
      settled.push("context");
      return session;
    });
    const printed = context.run(get).then((lines) => {
      settled.push("cell");
      return textOf(lines);
    });
    // Another process tells that the grace of an interrupt would be long over.
    await once(spawn("sleep", ["0.5"]), "exit");
    expect(settled).toEqual([]);
    expect((await post("/unfreeze")).status).toBe(204);
    expect(await interrupted).toMatchObject({ outcome: "interrupted" });
    await endless.until();
    expect(await printed).toBe("42\n");
    await using other = await opened;
    expect(textOf(await other.run(set))).toBe("");
  },
);
