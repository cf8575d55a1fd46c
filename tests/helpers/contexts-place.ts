import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ExecContext } from "../../src/host/exec-context.ts";
import { Launcher } from "../../src/host/launcher.ts";
import { OomWatch } from "../../src/host/oom.ts";
import { Users } from "../../src/host/users.ts";
import type { CodeContext } from "../../src/kernels/context.ts";
import { Contexts, type ContextsOptions } from "../../src/kernels/contexts.ts";
import { KernelRegistry } from "../../src/kernels/registry.ts";
import type { CellEvent } from "../../src/kernels/types.ts";
import { createLogger, type Logger } from "../../src/log.ts";
import { Runs } from "../../src/runs/runs.ts";
import { SpillBudget } from "../../src/runs/spill-file.ts";
import { REPOSITORY } from "./daemon.ts";

const KIB = 1024;
const TOY = join(REPOSITORY, "tests", "fixtures", "kernels", "toy");

/** What a probe says of an interpreter that will do. */
export const TOY_ANSWER = JSON.stringify({ version: "1", engine: "toy", rank: 1 });

/** A place with kernels of one's own, and contexts for them without HTTP. */
export class ContextsPlace implements AsyncDisposable {
  readonly root = mkdtempSync(join(tmpdir(), "guestd-contexts-"));
  // The Node of the tests may be where only this process's own user gets to.
  readonly exec = new ExecContext({ users: new Users(), path: "/usr/bin:/bin", defaultUser: new Users().self().name });
  /** What was logged. */
  readonly lines: Record<string, unknown>[] = [];
  readonly #stack = new AsyncDisposableStack();

  constructor() {
    chmodSync(this.root, 0o755);
    for (const name of ["kernels", "prepared", "staging", "logs", "pipes"]) mkdirSync(join(this.root, name));
  }

  /** A kernel like the toy one whose probe is a shell script. */
  addKernel(
    name: string,
    probe: string,
    { isDefault = false, command = ["{interpreter}", "{folder}/toy.mjs"], ...more }: Record<string, unknown> = {},
  ): void {
    const folder = join(this.root, "kernels", name);
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

  /** Contexts for the kernels that were added so far. */
  open(options: Partial<ContextsOptions> = {}): Contexts {
    const { exec, root } = this;
    const log = this.#logger();
    const launcher = this.#stack.use(new Launcher({ shimPath: join(REPOSITORY, "dist", "guestd-shim") }));
    const registry = this.#stack.use(
      new KernelRegistry({
        folder: join(root, "kernels"),
        preparedFolder: join(root, "prepared"),
        stagingFolder: join(root, "staging"),
        enabled: undefined,
        launcher,
        exec,
      }),
    );
    const runs = this.#stack.use(
      new Runs({
        oom: new OomWatch(),
        launcher,
        budget: new SpillBudget({ directory: join(root, "logs"), limitBytes: 64 * KIB * KIB }),
        limits: { memoryBytes: 256 * KIB, diskBytes: 16 * KIB * KIB },
        retention: { maxAgeMs: 60_000, maxFinished: 100 },
        log,
      }),
    );
    return this.#stack.use(
      new Contexts({
        registry,
        launcher,
        runs,
        exec,
        log,
        pipesFolder: join(root, "pipes"),
        preload: [],
        spareKernels: 1,
        maxOutputBytes: 64 * KIB * KIB,
        limits: { maxContexts: 100, idleMs: 0, whenMemoryIsLow: "create" },
        hasFreeMemory: () => true,
        ...options,
      }),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
    rmSync(this.root, { recursive: true, force: true });
  }

  #logger(): Logger {
    const write = (line: string): void => void this.lines.push(JSON.parse(line) as Record<string, unknown>);
    return createLogger({ level: "debug", format: "json", write });
  }
}

/** The text of a cell's result. */
export async function resultIn(context: CodeContext, code: string): Promise<unknown> {
  const run = context.execute({ code, envs: {} }, new AbortController().signal);
  await run.ended;
  const events: CellEvent[] = [];
  for await (const { stream, bytes } of run.log.read({ from: { position: 0 }, follow: false })) {
    if (stream === "events") events.push(JSON.parse(Buffer.from(bytes).toString("utf8")) as CellEvent);
  }
  return events.flatMap((event) => (event.type === "result" ? [event.data["text/plain"]] : []))[0];
}
