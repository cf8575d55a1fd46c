import { expect, test } from "vitest";
import { descendantsOf, isRunning } from "../../../src/host/process-tree.ts";
import { type TrialOutcome, tryProgram } from "../../../src/host/trial.ts";
import { until } from "../../helpers/daemon.ts";
import { createLauncher, users } from "./programs.ts";

const NEVER_MS = 60_000;

async function trial(script: string, limitMs = NEVER_MS): Promise<TrialOutcome> {
  await using launcher = createLauncher();
  const argv = ["/bin/sh", "-c", script] as const;
  const program = { argv, env: { PATH: "/usr/bin:/bin" }, cwd: "/", identity: users.self(), hasStdin: false };
  const outcome = await tryProgram(launcher, program, limitMs);
  await until(() => !descendantsOf(process.pid).some(isRunning));
  return outcome;
}

test("a program that ends well has said what it printed, without what is around it", async () => {
  expect(await trial("echo; echo '  one'; echo two; echo noise >&2")).toEqual({ printed: "one\ntwo" });
});

test("one that does not has said why with its last words, or its ending does", async () => {
  expect(await trial("echo first >&2; echo 'no such thing' >&2; exit 1")).toEqual({ why: "no such thing" });
  expect(await trial("echo out; exit 3")).toEqual({ why: "exit code 3" });
  expect(await trial("kill -9 $$")).toEqual({ why: "ended by SIGKILL" });
});

test("one that cannot be started is an outcome, too", async () => {
  await using launcher = createLauncher();
  const program = { argv: ["/bin/sh"] as const, env: {}, cwd: "/nowhere", identity: users.self(), hasStdin: false };
  expect(await tryProgram(launcher, program, NEVER_MS)).toEqual({
    why: "cannot enter the working directory: no such file or directory",
  });
});

test("one that does not end in time is killed with all that it has started", async () => {
  expect(await trial("trap '' TERM; sleep 1000 & sleep 1000", 100)).toEqual({ why: "no end within 0.1 s" });
});

test("of one that says too much the newest is kept, and it comes in pieces that cut no character in two", async () => {
  const outcome = await trial("yes € | tr -d '\\n' | head -c 300000");
  const printed = "printed" in outcome ? outcome.printed : "";
  expect([printed.length, /^\ufffd?€+$/.test(printed)]).toEqual([1 + Math.floor((64 * 1024) / 3), true]);
});
