import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";
import { REPOSITORY } from "../../helpers/daemon.ts";

/** Takes samples in a process of its own, where each way to start a program is noted before anything else is loaded. */
const SCRIPT = `
  const programs = require("node:child_process");
  const started = [];
  for (const name of ["exec", "execFile", "fork", "spawn", "execSync", "execFileSync", "spawnSync"]) {
    const real = programs[name];
    programs[name] = (...args) => (started.push([name, args[0]]), real(...args));
  }
  const { lookAtCpu, takeSample } = require(${JSON.stringify(join(REPOSITORY, "src", "metrics", "sample.ts"))});
  (async () => {
    const before = lookAtCpu();
    const { memory, processes, zombies } = await takeSample(before, lookAtCpu());
    console.log(JSON.stringify({ started, memory, processes, zombies }));
  })();`;

test("a sample starts no program", () => {
  const answer = execFileSync(process.execPath, ["-e", SCRIPT], { encoding: "utf8" });
  const { started, memory, processes, zombies } = JSON.parse(answer) as Record<string, unknown>;
  expect(started).toEqual([]);
  expect(memory).toMatchObject({ total: expect.any(Number), used: expect.any(Number), cache: expect.any(Number) });
  expect(processes).toBeGreaterThan(1);
  expect(zombies).toBeGreaterThanOrEqual(0);
});
