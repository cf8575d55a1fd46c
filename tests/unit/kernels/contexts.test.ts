import { execFileSync } from "node:child_process";
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ExecContext } from "../../../src/host/exec-context.ts";
import { Launcher } from "../../../src/host/launcher.ts";
import { OomWatch } from "../../../src/host/oom.ts";
import { Users } from "../../../src/host/users.ts";
import type { CodeContext } from "../../../src/kernels/context.ts";
import { Contexts } from "../../../src/kernels/contexts.ts";
import { KernelRegistry } from "../../../src/kernels/registry.ts";
import type { CellEvent } from "../../../src/kernels/types.ts";
import { createLogger } from "../../../src/log.ts";
import { Runs } from "../../../src/runs/runs.ts";
import { SpillBudget } from "../../../src/runs/spill-file.ts";
import { childrenOf } from "../../../src/host/process-tree.ts";
import { REPOSITORY, until } from "../../helpers/daemon.ts";

const KIB = 1024;
const TOY = join(REPOSITORY, "tests", "fixtures", "kernels", "toy");
const ANSWER = JSON.stringify({ version: "1", engine: "toy", rank: 1 });
let root = "";
let stack: AsyncDisposableStack;
let contexts: Contexts;
let exec: ExecContext;
const lines: Record<string, unknown>[] = [];

/** A kernel like the toy one whose probe is a shell script. */
function addKernel(
  name: string,
  probe: string,
  { isDefault = false, command = ["{interpreter}", "{folder}/toy.mjs"], ...more }: Record<string, unknown> = {},
): void {
  const folder = join(root, "kernels", name);
  mkdirSync(folder, { recursive: true });
  for (const file of ["toy.mjs", "forker.mjs"]) cpSync(join(TOY, file), join(folder, file));
  const manifest = {
    languages: [{ name, isDefault }],
    interpreters: [process.execPath],
    probe: ["/bin/sh", "-c", probe],
    command,
    env: { LANG: "C.UTF-8" },
    ...more,
    fix: `mend ${name}`,
  };
  writeFileSync(join(folder, "kernel.json"), JSON.stringify(manifest));
}

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "guestd-contexts-"));
  chmodSync(root, 0o755);
  for (const name of ["prepared", "staging", "logs", "pipes"]) mkdirSync(join(root, name));
  addKernel("quick", `echo '${ANSWER}'`, { isDefault: true });
  addKernel("mute", `echo '${ANSWER}'`, { command: ["/bin/sh", "-c", "echo last words >&2; exit 4"] });
  addKernel("forked", `echo '${ANSWER}'`, {
    forkServer: ["{interpreter}", "{folder}/forker.mjs"],
    coldVariables: ["COLD_*"],
    spares: "always",
  });
  execFileSync("mkfifo", [join(root, "gate")]);
  addKernel("gated", `read line < ${root}/gate; echo '${ANSWER}'`);
  addKernel("broken", "echo no such thing >&2; exit 1", { isDefault: true });
  stack = new AsyncDisposableStack();
  const log = createLogger({
    level: "debug",
    format: "json",
    write: (line) => void lines.push(JSON.parse(line) as Record<string, unknown>),
  });
  const launcher = stack.use(new Launcher({ shimPath: join(REPOSITORY, "dist", "guestd-shim") }));
  // The Node of the tests may be where only this process's own user gets to.
  exec = new ExecContext({ users: new Users(), path: "/usr/bin:/bin", defaultUser: new Users().self().name });
  const registry = new KernelRegistry({
    folder: join(root, "kernels"),
    preparedFolder: join(root, "prepared"),
    stagingFolder: join(root, "staging"),
    enabled: undefined,
    launcher,
    exec,
  });
  const runs = stack.use(
    new Runs({
      oom: new OomWatch(),
      launcher,
      budget: new SpillBudget({ directory: join(root, "logs"), limitBytes: 64 * KIB * KIB }),
      limits: { memoryBytes: 256 * KIB, diskBytes: 16 * KIB * KIB },
      retention: { maxAgeMs: 60_000, maxFinished: 100 },
      log,
    }),
  );
  contexts = stack.use(
    new Contexts({
      registry,
      launcher,
      runs,
      exec,
      log,
      pipesFolder: join(root, "pipes"),
      preload: [],
      spareKernels: 1,
    }),
  );
});
afterAll(async () => {
  await stack.disposeAsync();
  rmSync(root, { recursive: true, force: true });
});

describe("the default contexts", () => {
  test("are ready when each was created or found to be impossible, which the log says with what would help", async () => {
    expect(contexts.areDefaultsReady).toBe(false);
    await contexts.createDefaults();
    expect([contexts.areDefaultsReady, contexts.list().map(({ language }) => language)]).toEqual([true, ["quick"]]);
    expect(lines).toContainEqual(
      expect.objectContaining({
        event: "kernel.unavailable",
        language: "broken",
        error: expect.stringContaining("no such thing") as string,
        hint: "mend broken",
      }),
    );
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
    expect(made.map(({ cwd }) => cwd)).toEqual(["/usr", exec.defaultUser.home]);
    for (const { id } of made) await contexts.remove(id);
  });

  test("are not found under an id that is none", async () => {
    expect(() => contexts.get("nope")).toThrowError(
      expect.objectContaining({ code: "not_found", message: "Context nope not found" }),
    );
    await expect(contexts.remove("nope")).rejects.toMatchObject({ reason: "context_not_found" });
    await expect(contexts.pick({ contextId: "nope" })).rejects.toMatchObject({ reason: "context_not_found" });
    await expect(contexts.create({ language: "cobol" })).rejects.toMatchObject({
      code: "not_found",
      message: `there is no kernel for language "cobol"`,
    });
  });

  test("are removed at once, also while the default context of another language is being created", async () => {
    const { id } = await contexts.create({ language: "quick" });
    const creating = contexts.default("gated"); // cannot be done before the gate is opened below
    await contexts.remove(id);
    expect(contexts.list().map((context) => context.id)).not.toContain(id);
    await writeFile(join(root, "gate"), "open\n");
    await contexts.remove((await creating).id);
  });

  test("whose language works but not its kernel say what it said last", async () => {
    await expect(contexts.create({ language: "mute" })).rejects.toMatchObject({
      code: "unavailable",
      reason: "kernel_unavailable",
      message: "the kernel ended at its start with exit code 4: last words",
    });
  });
});

/** The value that a cell finds a variable at. */
async function valueOf(context: CodeContext, name: string): Promise<unknown> {
  const signal = AbortSignal.timeout(20_000);
  const run = context.execute({ code: `env ${name}`, envs: {} }, signal);
  const events: Buffer[] = [];
  for await (const { stream, bytes } of run.log.read({ from: { position: 0 }, follow: true, signal }))
    if (stream === "events") events.push(Buffer.from(bytes));
  const result = events.map((bytes) => JSON.parse(bytes.toString()) as CellEvent).find(({ type }) => type === "result");
  return result?.type === "result" ? result.data["text/plain"] : undefined;
}

describe("the variables of a kernel", () => {
  test("are everybody's as they are when the cell begins, but for those that its manifest sets", async () => {
    const context = await contexts.create({ language: "quick" });
    const home = await valueOf(context, "HOME");
    exec.setGlobalEnv({ LANG: "de_DE", HOME: "/elsewhere", MINE: "1" });
    expect(await Promise.all(["LANG", "HOME", "MINE"].map((name) => valueOf(context, name)))).toEqual([
      "C.UTF-8",
      "/elsewhere",
      "1",
    ]);
    exec.setGlobalEnv({});
    expect(await Promise.all(["LANG", "HOME", "MINE"].map((name) => valueOf(context, name)))).toEqual([
      "C.UTF-8",
      home,
      "none",
    ]);
    await contexts.remove(context.id);
  });
});

const forkServers = (): unknown[] => lines.filter(({ event }) => event === "fork_server.ready").map(({ pid }) => pid);
const childrenOfServer = (): number[] => childrenOf(Number(forkServers().at(-1)));

describe("a language with a fork server and spares", () => {
  test("gets its kernels from it, in the directory that was asked for, and one more is ready then", async () => {
    const context = await contexts.create({ language: "forked", cwd: "/usr" });
    expect(forkServers()).toHaveLength(1);
    await until(() => childrenOfServer().length === 2);
    expect(await resultOf(context, "cwd")).toBe("/usr");
    const next = await contexts.create({ language: "forked", cwd: "/tmp" });
    expect([next.cwd, await resultOf(next, "cwd")]).toEqual(["/tmp", "/tmp"]);
    await until(() => childrenOfServer().length === 3);
    await contexts.remove(next.id);
    await contexts.remove(context.id);
    await until(() => childrenOfServer().length === 1);
  });

  test("is started by itself while the fork server refuses, which is replaced", async () => {
    const stale = join(root, "kernels", "forked", "stale");
    writeFileSync(stale, "");
    const context = await contexts.create({ language: "forked" });
    await contexts.create({ language: "forked" });
    rmSync(stale);
    await until(() => forkServers().length > 1);
    expect(await resultOf(context, "get x")).toBe("none");
  });

  test("gives every kernel new entropy after a resume", async () => {
    const [context] = contexts.list().filter(({ language }) => language === "forked");
    if (!context) throw new Error("no context");
    expect(await resultOf(context, "get entropy")).toBe("none");
    contexts.reseed();
    const first = await resultOf(context, "get entropy");
    contexts.reseed();
    expect(first).toMatch(/^[0-9a-f]{64}$/);
    expect(await resultOf(context, "get entropy")).not.toBe(first);
  });
});

/** The text of a cell's result. */
async function resultOf(context: CodeContext, code: string): Promise<unknown> {
  const run = context.execute({ code, envs: {} }, new AbortController().signal);
  await run.ended;
  const events: CellEvent[] = [];
  for await (const { stream, bytes } of run.log.read({ from: { position: 0 }, follow: false })) {
    if (stream === "events") events.push(JSON.parse(Buffer.from(bytes).toString("utf8")) as CellEvent);
  }
  return events.flatMap((event) => (event.type === "result" ? [event.data["text/plain"]] : []))[0];
}
