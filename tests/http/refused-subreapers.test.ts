import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { descendantsOf } from "../../src/host/process-tree.ts";
import { until } from "../helpers/daemon.ts";
import { ProcessMark } from "../helpers/marked-processes.ts";
import { namespaceFor } from "../helpers/namespaces.ts";
import { ENV, endServed, MAIN, serve } from "../unit/config/daemon-process.ts";
import { send } from "../unit/edge/connect/wire-client.ts";

const REFUSING = ["python3", join(import.meta.dirname, "..", "helpers", "refusing-subreapers.py")] as const;
const DOCTOR = [process.execPath, MAIN, "doctor", "--kernels="];

afterEach(endServed);

describe("where nobody may become a subreaper", () => {
  test("the daemon says what is then not so, and goes on", async () => {
    const mark = new ProcessMark();
    const { child, pid, url, lines, exited } = await serve([], {}, [...REFUSING, process.execPath, MAIN]);
    expect(lines.filter((line) => line.includes("subreaper.refused"))).toEqual([
      expect.stringMatching(/"warn".*PR_SET_CHILD_SUBREAPER.*not permitted.*child of process 1/),
    ]);
    const [variable = []] = Object.entries(mark.envs);
    const body = `export ${variable.join("=")}; (setsid sleep 61 >/dev/null 2>&1 &); echo done; exit 3`;
    const { text, status } = await send(url, { path: "/v1/run?status=1", body });
    expect([status, text]).toEqual([200, "done\nexit code 3\n"]);
    // What the program has left is nobody's here: its shim takes it for gone.
    await until(() => mark.holders().length === 1 && descendantsOf(pid).length === 0);
    child.kill("SIGTERM");
    expect(await exited).toEqual([0, null]);
    mark.killHolders();
  });

  test("doctor tells, with what would help, and programs run all the same", () => {
    const [command, ...args] = [...REFUSING, ...DOCTOR];
    const { status, stdout, stderr } = spawnSync(command, args, { env: ENV, encoding: "utf8" });
    expect([status, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(/^ {2}ok {3}processes /m);
    expect(stdout).toMatch(/^ {2}-- {3}orphans +prctl.*not permitted.*process 1.*\n +fix: .*seccomp/m);
  });

  test("process 1 needs none itself, but tells since the shims do", (context) => {
    const [command = "", ...args] = [
      ...namespaceFor(context, "--pid", "--fork", "--mount-proc"),
      ...REFUSING,
      ...DOCTOR,
    ];
    const { status, stdout } = spawnSync(command, args, { env: ENV, encoding: "utf8" });
    expect([status, stdout]).toEqual([0, expect.stringMatching(/^ {2}-- {3}orphans /m)]);
  });
});

test("where one may, doctor has nothing to tell", () => {
  const { stdout } = spawnSync(process.execPath, DOCTOR.slice(1), { env: ENV, encoding: "utf8" });
  expect(stdout).toMatch(/^ {2}ok {3}orphans$/m);
});
