import { join } from "node:path";
import { expect, test } from "vitest";
import { Launcher } from "../../../src/host/launcher.ts";
import { Users } from "../../../src/host/users.ts";
import type { CellSink } from "../../../src/kernels/kernel-wires.ts";
import { Kernel } from "../../../src/kernels/kernel.ts";
import { REPOSITORY } from "../../helpers/daemon.ts";

const TOY = join(REPOSITORY, "tests", "fixtures", "kernels", "toy", "toy.mjs");

test("a cell whose last words were more than its reader takes leaves the output running for the next one", async () => {
  await using launcher = new Launcher({ shimPath: join(REPOSITORY, "dist", "guestd-shim") });
  const user = new Users().self();
  const program = { argv: [process.execPath, TOY] as const, env: {}, cwd: "/", identity: user, hasStdin: false };
  const kernel = await Kernel.start({
    open: ({ sink, onChannel }) => launcher.start(program, sink, onChannel),
    user,
    env: {},
    byLine: false,
    signal: new AbortController().signal,
  });
  try {
    let heardBytes = 0;
    const hasEnough: CellSink = {
      text: (_, { length }) => (heardBytes += length) < 0,
      // The sleep of a shielded cell ends: it goes on once its start was heard.
      event: () => kernel.interrupt(),
    };
    for (const cell of ["first", "second"]) {
      // As much as is handed on at once.
      const code = `shield\nsleep 60000\ntail ${"x".repeat(40_000)}`;
      expect(await kernel.execute(cell, code, {}, hasEnough)).toBe("ok");
    }
    expect(heardBytes).toBe(80_000);
  } finally {
    await kernel.kill();
  }
});
