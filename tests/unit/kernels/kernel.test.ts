import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { Launcher } from "../../../src/host/launcher.ts";
import { isRunning } from "../../../src/host/process-tree.ts";
import { Users } from "../../../src/host/users.ts";
import type { CellSink } from "../../../src/kernels/kernel-wires.ts";
import { Kernel } from "../../../src/kernels/kernel.ts";
import { REPOSITORY } from "../../helpers/daemon.ts";

const TOY = join(REPOSITORY, "tests", "fixtures", "kernels", "toy", "toy.mjs");

/** A toy kernel that is killed in the end, if it is still there. */
async function startToy(): Promise<Kernel & AsyncDisposable> {
  const launcher = new Launcher({ shimPath: join(REPOSITORY, "dist", "guestd-shim") });
  const user = new Users().self();
  const program = { argv: [process.execPath, TOY] as const, env: {}, cwd: "/", identity: user, hasStdin: false };
  const kernel = await Kernel.start({
    open: ({ sink, onChannel }) => launcher.start(program, sink, { onChannel }),
    user,
    env: {},
    byLine: false,
    clock: launcher.clock,
    signal: new AbortController().signal,
  });
  const dispose = async (): Promise<void> => {
    await kernel.kill();
    await launcher[Symbol.asyncDispose]();
  };
  return Object.assign(kernel, { [Symbol.asyncDispose]: dispose });
}

const NOBODY: CellSink = { hasRoom: true, text: () => undefined, event: () => undefined };

test("a cell whose last words were more than its reader takes leaves the output running for the next one", async () => {
  await using kernel = await startToy();
  let heardBytes = 0;
  let hasRoom = true;
  const hasEnough: CellSink = {
    get hasRoom() {
      return hasRoom;
    },
    text: (_, { length }) => {
      heardBytes += length;
      hasRoom = false;
    },
    // The sleep of a shielded cell ends: it goes on once its start was heard.
    event: () => kernel.interrupt(),
  };
  for (const cell of ["first", "second"]) {
    // As much as is handed on at once.
    hasRoom = true;
    const code = `shield\nsleep 60000\ntail ${"x".repeat(40_000)}`;
    expect(await kernel.execute(cell, code, {}, hasEnough)).toBe("ok");
  }
  expect(heardBytes).toBe(80_000);
});

describe("closing a kernel", () => {
  test("lets an idle one clear away what it has made", async () => {
    const folder = mkdtempSync(join(tmpdir(), "guestd-kernel-"));
    const file = join(folder, "file");
    writeFileSync(file, "");
    await using kernel = await startToy();
    await kernel.execute("cell", `tidy ${file}`, {}, NOBODY);
    await kernel.close();
    expect((await kernel.exited).reason).toBe("exit code 0");
    expect(existsSync(file)).toBe(false);
    rmSync(folder, { recursive: true });
  });

  test("ends one that goes on all the same, and one that is busy", async () => {
    await using staying = await startToy();
    await staying.execute("cell", "stay", {}, NOBODY);
    await using busy = await startToy();
    const started = Promise.withResolvers<void>();
    const cell = busy.execute("cell", "sleep 3600000", {}, { ...NOBODY, event: () => started.resolve() });
    await started.promise;
    await Promise.all([staying, busy].map((kernel) => kernel.close()));
    for (const { exited, pid } of [staying, busy]) {
      expect([(await exited).reason, isRunning(pid)]).toEqual(["signal SIGKILL", false]);
    }
    expect(await cell).toBe("died");
  });
});
