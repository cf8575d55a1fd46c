import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Launcher } from "../../src/host/launcher.ts";
import { OomWatch } from "../../src/host/oom.ts";
import { createLogger } from "../../src/log.ts";
import type { Run } from "../../src/runs/run.ts";
import { Runs } from "../../src/runs/runs.ts";
import { SpillBudget } from "../../src/runs/spill-file.ts";
import { REPOSITORY } from "./daemon.ts";
import { Users } from "../../src/host/users.ts";

export interface RunsPlace extends AsyncDisposable {
  readonly runs: Runs;
  /** Starts a program as the user of this process. */
  start(argv: readonly [string, ...string[]]): Promise<Run>;
}

/** Runs without a daemon, with a directory of their own. */
export function runsPlace(): RunsPlace {
  const directory = mkdtempSync(join(tmpdir(), "guestd-runs-place-"));
  const launcher = new Launcher({ shimPath: join(REPOSITORY, "dist", "guestd-shim") });
  const identity = new Users().self();
  const runs = new Runs({
    launcher,
    oom: new OomWatch({}),
    budget: new SpillBudget({ directory, limitBytes: 2 ** 20 }),
    limits: { memoryBytes: 2 ** 16, diskBytes: 2 ** 20 },
    retention: { maxAgeMs: 60_000, maxFinished: 10 },
    log: createLogger({ level: "error", format: "json", write: (line) => void process.stderr.write(line) }),
  });
  return {
    runs,
    start(argv) {
      const [cmd, ...args] = argv;
      const config = { kind: "command", cmd, args, envs: {}, cwd: "/", user: identity.name, tag: undefined } as const;
      const program = { argv, env: { PATH: "/usr/bin:/bin" }, cwd: "/", identity, hasStdin: false };
      return runs.start({ config, program });
    },
    async [Symbol.asyncDispose]() {
      await runs[Symbol.asyncDispose]();
      await launcher[Symbol.asyncDispose]();
      rmSync(directory, { recursive: true });
    },
  };
}
