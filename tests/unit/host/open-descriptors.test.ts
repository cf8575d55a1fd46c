import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { expect, test } from "vitest";
import { descriptorTargets } from "../../../src/host/open-descriptors.ts";
import { REPOSITORY } from "../../helpers/daemon.ts";

const MODULE = join(REPOSITORY, "src", "host", "open-descriptors.ts");
const isRoot = process.geteuid?.() === 0;

test("descriptors of a process of one's own are seen, those of one that is gone are none", () => {
  expect(descriptorTargets(process.pid).length).toBeGreaterThan(2);
  expect(descriptorTargets(2 ** 22 + 1)).toEqual([]);
});

test.runIf(isRoot)("root without CAP_SYS_PTRACE, as in a container, sees those of others, and stays root", async () => {
  const other = spawn("setpriv", ["--reuid", "65534", "--regid", "65534", "--clear-groups", "sleep", "600"], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  try {
    await once(other, "spawn");
    const script = `
      import { readFileSync } from "node:fs";
      import { descriptorTargets } from ${JSON.stringify(MODULE)};
      const targets = descriptorTargets(${other.pid});
      const ids = readFileSync("/proc/thread-self/status", "utf8").match(/^[UG]id:.*$/gm);
      console.log(JSON.stringify({ targets, ids }));
    `;
    const inContainer = ["--bounding-set", "-sys_ptrace", "--inh-caps", "-sys_ptrace"];
    const read = (): { targets: string[]; ids: string[] } => {
      const args = [...inContainer, process.execPath, "--input-type=module", "-e", script];
      return JSON.parse(execFileSync("setpriv", args, { encoding: "utf8" })) as { targets: string[]; ids: string[] };
    };
    // Until setpriv has become the program.
    await expect.poll(() => read().targets, { timeout: 20_000 }).toContain("/dev/null");
    expect(read().targets).toContainEqual(expect.stringMatching(/^(pipe|socket):\[\d+\]$/));
    expect(read().ids).toEqual(["Uid:\t0\t0\t0\t0", "Gid:\t0\t0\t0\t0"]);
  } finally {
    other.kill("SIGKILL");
  }
});
