import { randomUUID } from "node:crypto";
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CodeSession } from "../helpers/code-contexts.ts";
import { startTestDaemon, type TestDaemon, until } from "../helpers/daemon.ts";
import { errorsOf, execute } from "../unit/kernels/cell-client.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startTestDaemon({ kernels: "real", argv: ["--kernels", "javascript,typescript"] });
});
afterAll(async () => daemon?.[Symbol.asyncDispose]());

/** Each says `up`, and never yields or never ends from then on. */
const ENDLESS: Record<string, string> = {
  "a loop": "console.log('up'); for (;;);",
  "a loop behind an await": "await null; console.log('up'); for (;;);",
  "a loop behind an await of a timer": "await new Promise((go) => setTimeout(go, 1)); console.log('up'); for (;;);",
  "a loop in a timer": "setTimeout(() => { console.log('up'); for (;;); }); await new Promise(() => {})",
  "a loop in an interval": "setInterval(() => { console.log('up'); for (;;); }, 1); await new Promise(() => {})",
  "a loop in an immediate": "setImmediate(() => { console.log('up'); for (;;); }); await new Promise(() => {})",
  "a loop in the next tick": "process.nextTick(() => { console.log('up'); for (;;); }); await new Promise(() => {})",
  "a loop in a reaction": "await Promise.resolve().then(() => { console.log('up'); for (;;); })",
  "a loop in a callback of files":
    "require('fs').stat('/', () => { console.log('up'); for (;;); }); await new Promise(() => {})",
  "a loop in a listener": "process.once('k', () => { console.log('up'); for (;;); }); process.emit('k')",
  "awaits without end": "console.log('up'); for (;;) await null",
  "output without end": "for (;;) console.log('up')",
  "output without end behind an await": "await null; for (;;) console.log('up')",
  "errors that are caught without end": "console.log('up'); for (;;) { try { throw 1 } catch {} finally { continue } }",
  "a way to show a value": "({ _toHtml() { console.log('up'); for (;;); } })",
  "a way to show an error": "throw { get message() { console.log('up'); for (;;); } }",
  "a pattern that never comes to a match": "console.log('up'); /^(a+)+$/.test('a'.repeat(60) + 'b')",
  "a sort": "console.log('up'); for (;;) Array.from({ length: 1e5 }, Math.random).sort((a, b) => a - b)",
  "a wait of the thread": "console.log('up'); Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)",
  "a child that is waited for": "console.log('up'); require('child_process').execSync('sleep 60'); for (;;);",
  "a sleep": "console.log('up'); await new Promise((go) => setTimeout(go, 60_000))",
  "a child awaited":
    "const child = require('child_process').spawn('sleep', ['60']); console.log('up'); await new Promise((go) => child.on('exit', go))",
  "input that never comes":
    "const net = require('net'); const server = net.createServer(() => {}).listen(0); await new Promise((go) => server.on('listening', go)); const peer = net.connect(server.address().port); console.log('up'); await new Promise((go) => peer.on('data', go))",
};

/** TypeScript runs on the same engine: what waits and what computes, in short. */
const ENDLESS_OF: Record<string, string[]> = {
  javascript: Object.keys(ENDLESS),
  typescript: ["a loop", "a loop behind an await", "a child that is waited for", "a sleep", "input that never comes"],
};

describe.each(["javascript", "typescript"])("%s", (language) => {
  test.each(ENDLESS_OF[language] ?? [])("stops %s, and keeps the state", async (what) => {
    const code = ENDLESS[what] ?? "";
    await using session = await CodeSession.open(daemon.url, { language });
    const pid = await session.value("let kept = 'yes'; process.pid");
    const stream = await session.openUp(`{ ${code} }`);
    const interrupted = session.interrupt();
    expect(errorsOf(await stream.until())).toEqual([{ name: "KeyboardInterrupt", value: "" }]);
    expect(await interrupted).toMatchObject({ outcome: "interrupted", stateKept: true });
    expect(await session.value("[kept, process.pid].join()")).toBe(`yes,${pid}`);
  });

  test("goes on with timers, ticks and output after a loop in each was stopped", async () => {
    await using session = await CodeSession.open(daemon.url, { language });
    for (const where of ["setTimeout", "setImmediate", "process.nextTick", "queueMicrotask"]) {
      const stream = await session.openUp(
        `${where}(() => { console.log("up"); for (;;); }); ${where}(() => {}); await new Promise(() => {})`,
      );
      await session.interrupt();
      await stream.until();
      const code = `
        const order = [];
        process.nextTick(() => order.push("tick"));
        queueMicrotask(() => order.push("microtask"));
        await new Promise((go) => setTimeout(go, 1));
        await new Promise((go) => setImmediate(go));
        await require("fs").promises.stat("/");
        await fetch("data:,text").then((answer) => answer.text()).then((text) => order.push(text));
        order.sort().join()`;
      expect(await session.value(code), where).toBe("microtask,text,tick");
    }
  });

  test("timers go on after code was stopped in the middle of setting one", { timeout: 180_000 }, async () => {
    await using session = await CodeSession.open(daemon.url, { language });
    // Unoptimized code can be ended at any call, as that of a cell that has just begun.
    await session.value("for (const flag of ['--no-opt', '--no-maglev']) require('v8').setFlagsFromString(flag)");
    for (let round = 0; round < 100; round += 1) {
      const stream = await session.openUp("console.log('up'); for (;;) clearTimeout(setTimeout(() => {}, 5))");
      expect(await session.interrupt()).toMatchObject({ outcome: "interrupted" });
      await stream.until();
      expect(await session.value(`await new Promise((go) => setTimeout(go, 5, ${round}))`)).toBe(`${round}`);
    }
  });

  test("a loop that was left running before the cell does not hold it for ever", async () => {
    await using session = await CodeSession.open(daemon.url, { language });
    const [go, mark] = [join(tmpdir(), `go-${randomUUID()}`), join(tmpdir(), `mark-${randomUUID()}`)];
    await session.value(`
      let kept = "yes";
      const timer = setInterval(() => {
        if (!require("fs").existsSync("${go}")) return;
        clearInterval(timer);
        require("fs").writeFileSync("${mark}", "");
        for (;;);
      }, 1);
      0`);
    writeFileSync(go, "");
    await until(() => existsSync(mark));
    for (const file of [go, mark]) rmSync(file);
    const stuck = session.run("await new Promise(() => {})");
    await expect.poll(() => session.interrupt(), { timeout: 20_000 }).toMatchObject({ outcome: "interrupted" });
    await stuck;
    expect(await session.value("kept")).toBe("yes");
  });

  test("what an interrupted cell does after its end is not the next one's", async () => {
    await using session = await CodeSession.open(daemon.url, { language });
    const stream = await session.openUp(
      "let go = () => {}; console.log('up'); await new Promise((answer) => { go = answer }); 'late'",
    );
    await session.interrupt();
    await stream.until();
    const lines = await session.run("go(); await new Promise((turn) => setTimeout(turn, 1)); 'own'");
    expect(lines.filter(({ type }) => type === "result").map(({ text }) => text)).toEqual(["own"]);
  });

  test("a class of the user's with the name Error hides no interrupt", async () => {
    await using session = await CodeSession.open(daemon.url, { language });
    await session.run("class Error {}; globalThis.Error = undefined");
    const stream = await session.openUp("console.log('up'); for (;;);");
    await session.interrupt();
    expect(errorsOf(await stream.until())).toEqual([{ name: "KeyboardInterrupt", value: "" }]);
    expect(await session.value("6 * 7")).toBe("42");
  });

  test("a display that is never made holds only its own cell", async () => {
    await using session = await CodeSession.open(daemon.url, { language });
    const stream = await session.openUp("display({ _toHtml: () => new Promise(() => {}) }); console.log('up')");
    await session.interrupt();
    expect(errorsOf(await stream.until())).toEqual([{ name: "KeyboardInterrupt", value: "" }]);
    expect(await session.value("6 * 7")).toBe("42");
  });

  test("names of an interrupted cell may be declared again in another way", async () => {
    await using session = await CodeSession.open(daemon.url, { language });
    const stream = await session.openUp("let name = 1; console.log('up'); for (;;);");
    await session.interrupt();
    await stream.until();
    expect(await session.value("var name = 2; name")).toBe("2");
  });

  test("after a resume no copy draws the same numbers", async () => {
    await using session = await CodeSession.open(daemon.url, { language });
    const own = await session.value("Math.random.toString()");
    expect(own).toContain("[native code]");
    expect((await daemon.fetch("/init", { method: "POST", body: "{}" })).status).toBe(204);
    const code = "const drawn = Array.from({ length: 1000 }, Math.random); const last = drawn.at(-1); drawn";
    const drawn = (await execute(daemon.url, { context_id: session.id, code })).find(({ type }) => type === "result");
    const numbers = drawn?.["json"] as number[];
    expect([new Set(numbers).size, numbers.every((number) => number >= 0 && number < 1)]).toEqual([1000, true]);
    const mean = numbers.reduce((sum, number) => sum + number, 0) / 1000;
    expect(Math.abs(mean - 0.5)).toBeLessThan(0.06); // six deviations
    expect(await session.value("Math.random.toString()")).not.toContain("[native code]");
  });

  test("what the user does with SIGINT does not take it away", async () => {
    await using session = await CodeSession.open(daemon.url, { language });
    const pid = await session.value("process.pid");
    await session.value("process.on('SIGINT', () => {}); process.removeAllListeners('SIGINT')");
    await session.value("new (require('vm').Script)('1').runInThisContext({ breakOnSigint: true })");
    for (const code of [ENDLESS["a loop"], ENDLESS["a sleep"]]) {
      const stream = await session.openUp(code ?? "");
      await session.interrupt();
      expect(errorsOf(await stream.until())).toEqual([{ name: "KeyboardInterrupt", value: "" }]);
    }
    expect(await session.value("process.pid")).toBe(pid);
  });
});
