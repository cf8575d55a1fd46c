import { execFileSync } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { childrenOf } from "../../../src/host/process-tree.ts";
import { delay } from "../../../src/lib/abort.ts";
import type { CodeContext } from "../../../src/kernels/context.ts";
import type { Contexts } from "../../../src/kernels/contexts.ts";
import { ContextsPlace, resultIn, TOY_ANSWER } from "../../helpers/contexts-place.ts";
import { until } from "../../helpers/daemon.ts";

let place: ContextsPlace;
let contexts: Contexts;

beforeAll(() => {
  place = new ContextsPlace();
  place.addKernel("quick", `echo '${TOY_ANSWER}'`, { isDefault: true });
  place.addKernel("mute", `echo '${TOY_ANSWER}'`, { command: ["/bin/sh", "-c", "echo last words >&2; exit 4"] });
  place.addKernel("forked", `echo '${TOY_ANSWER}'`, {
    forkServer: ["{interpreter}", "{folder}/forker.mjs"],
    coldVariables: ["COLD_*"],
    spares: "always",
  });
  execFileSync("mkfifo", [join(place.root, "gate")]);
  place.addKernel("gated", `read line < ${place.root}/gate; echo '${TOY_ANSWER}'`);
  place.addKernel("broken", "echo no such thing >&2; exit 1", { isDefault: true });
  contexts = place.open();
});
afterAll(async () => place[Symbol.asyncDispose]());

describe("the default contexts", () => {
  test("are ready when each was created or found to be impossible, which the log says with what would help", async () => {
    expect(contexts.areDefaultsReady).toBe(false);
    await contexts.createDefaults();
    expect([contexts.areDefaultsReady, contexts.list().map(({ language }) => language)]).toEqual([true, ["quick"]]);
    expect(place.lines).toContainEqual(
      expect.objectContaining({
        event: "kernel.unavailable",
        language: "broken",
        error: expect.stringContaining("no such thing") as string,
        hint: "mend broken",
      }),
    );
  });

  test("are ready at once where there are none", async () => {
    await using other = new ContextsPlace();
    other.addKernel("some", `echo '${TOY_ANSWER}'`);
    expect(other.open().areDefaultsReady).toBe(true);
  });

  test("are created in the order of their kernels, but Python's, which requests without a language mean, first", async () => {
    await using other = new ContextsPlace();
    for (const name of ["abc", "python", "xyz"]) other.addKernel(name, `echo '${TOY_ANSWER}'`, { isDefault: true });
    const opened = other.open();
    await opened.createDefaults();
    expect(opened.list().map(({ language }) => language)).toEqual(["python", "abc", "xyz"]);
  });

  test("are created once, however many ask at once", async () => {
    const found = await Promise.all([
      contexts.default("quick"),
      contexts.default("QUICK "),
      contexts.pick({ language: "quick" }),
    ]);
    expect(new Set(found).size).toBe(1);
    expect(contexts.list()).toHaveLength(1);
  });

  test("that cannot be created are tried again by whoever asks next", async () => {
    for (let attempt = 0; attempt < 2; attempt += 1) {
      await expect(contexts.default("broken")).rejects.toMatchObject({
        code: "unavailable",
        reason: "kernel_unavailable",
        hint: "mend broken",
      });
    }
  });
});

describe("other contexts", () => {
  test("start in the directory they were asked for, or the default one, and say so", async () => {
    const made = [
      await contexts.create({ language: "quick", cwd: "/usr" }),
      await contexts.create({ language: "quick" }),
    ];
    expect(made.map(({ cwd }) => cwd)).toEqual(["/usr", place.exec.defaultUser.home]);
    for (const { id } of made) contexts.remove(id);
  });

  test("are not found under an id that is none", async () => {
    expect(() => contexts.get("nope")).toThrowError(
      expect.objectContaining({ code: "not_found", message: "Context nope not found" }),
    );
    expect(() => contexts.remove("nope")).toThrowError(expect.objectContaining({ reason: "context_not_found" }));
    await expect(contexts.pick({ contextId: "nope" })).rejects.toMatchObject({ reason: "context_not_found" });
    await expect(contexts.create({ language: "cobol" })).rejects.toMatchObject({
      code: "not_found",
      message: `there is no kernel for language "cobol"`,
    });
  });

  test("are removed at once, also while the default context of another language is being created", async () => {
    const { id } = await contexts.create({ language: "quick" });
    const creating = contexts.default("gated"); // cannot be done before the gate is opened below
    contexts.remove(id);
    expect(contexts.list().map((context) => context.id)).not.toContain(id);
    await writeFile(join(place.root, "gate"), "open\n");
    contexts.remove((await creating).id);
  });

  test("whose language works but not its kernel say what it said last", async () => {
    await expect(contexts.create({ language: "mute" })).rejects.toMatchObject({
      code: "unavailable",
      reason: "kernel_unavailable",
      message: "the kernel ended at its start with exit code 4: last words",
    });
  });
});

test("an interrupt by several at once is told to all of them, and ends one cell only", async () => {
  const context = await contexts.create({ language: "quick" });
  const signal = new AbortController().signal;
  const run = context.execute({ code: "print up\nsleep 600000", envs: {} }, signal);
  const queued = resultIn(context, "result done");
  await until(() => run.log.ends.stdout > 0);
  const came = await Promise.all([1, 2, 3].map(() => context.interrupt()));
  for (const answer of came) expect(answer).toEqual({ outcome: "interrupted", isStateKept: true, run });
  expect(await run.ended).toMatchObject({ ending: { type: "cancelled" }, interruption: { outcome: "interrupted" } });
  expect(await queued).toBe("done");
  contexts.remove(context.id);
});

test("an interrupt that kills nothing does not wait for a slow reader of the cell's output either", async () => {
  const context = await contexts.create({ language: "quick" });
  const stop = new AbortController();
  const { signal } = stop;
  const run = context.execute({ code: "flood 30000000\nsleep 600000", envs: {} }, signal);
  const reading = (async () => {
    // It moves now and then, so that the cell is kept waiting for it.
    for await (const _ of run.log.read({ from: { position: 0 }, follow: true, signal })) await delay(500, signal);
  })().catch(() => undefined);
  await until(() => run.log.position > 12 * 1024 * 1024 && run.log.isPaced);
  expect(await context.interrupt({ isGentle: true, graceMs: 5000 })).toMatchObject({ outcome: "interrupted" });
  stop.abort();
  await reading;
  contexts.remove(context.id);
});

/** The value that a cell finds a variable at. */
const valueOf = (context: CodeContext, name: string): Promise<unknown> => resultIn(context, `env ${name}`);

describe("the variables of a kernel", () => {
  test("are everybody's as they are when the cell begins, but for those that its manifest sets", async () => {
    const context = await contexts.create({ language: "quick" });
    const home = await valueOf(context, "HOME");
    place.exec.setGlobalEnv({ LANG: "de_DE", HOME: "/elsewhere", MINE: "1" });
    expect(await Promise.all(["LANG", "HOME", "MINE"].map((name) => valueOf(context, name)))).toEqual([
      "C.UTF-8",
      "/elsewhere",
      "1",
    ]);
    place.exec.setGlobalEnv({});
    expect(await Promise.all(["LANG", "HOME", "MINE"].map((name) => valueOf(context, name)))).toEqual([
      "C.UTF-8",
      home,
      "none",
    ]);
    contexts.remove(context.id);
  });
});

const forkServers = (): unknown[] =>
  place.lines.filter(({ event }) => event === "fork_server.ready").map(({ pid }) => pid);
const childrenOfServer = (): number[] => childrenOf(Number(forkServers().at(-1)));

describe("a language with a fork server and spares", () => {
  test("gets its kernels from it, in the directory that was asked for, and one more is ready then", async () => {
    const context = await contexts.create({ language: "forked", cwd: "/usr" });
    expect(forkServers()).toHaveLength(1);
    await until(() => childrenOfServer().length === 2);
    expect(await resultIn(context, "cwd")).toBe("/usr");
    const next = await contexts.create({ language: "forked", cwd: "/tmp" });
    expect([next.cwd, await resultIn(next, "cwd")]).toEqual(["/tmp", "/tmp"]);
    await until(() => childrenOfServer().length === 3);
    contexts.remove(next.id);
    contexts.remove(context.id);
    await until(() => childrenOfServer().length === 1);
  });

  test("is started by itself while the fork server refuses, which is replaced", async () => {
    const stale = join(place.root, "kernels", "forked", "stale");
    writeFileSync(stale, "");
    const context = await contexts.create({ language: "forked" });
    await contexts.create({ language: "forked" });
    rmSync(stale);
    await until(() => forkServers().length > 1);
    expect(await resultIn(context, "get x")).toBe("none");
  });

  test("gives every kernel new entropy after a resume", async () => {
    const [context] = contexts.list().filter(({ language }) => language === "forked");
    if (!context) throw new Error("no context");
    expect(await resultIn(context, "get entropy")).toBe("none");
    contexts.reseed();
    const first = await resultIn(context, "get entropy");
    contexts.reseed();
    expect(first).toMatch(/^[0-9a-f]{64}$/);
    expect(await resultIn(context, "get entropy")).not.toBe(first);
    const creating = contexts.create({ language: "forked" });
    contexts.reseed();
    expect(await resultIn(await creating, "get entropy")).toMatch(/^[0-9a-f]{64}$/);
  });
});
