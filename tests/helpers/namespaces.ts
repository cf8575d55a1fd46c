import { spawnSync } from "node:child_process";
import type { TestContext } from "vitest";
import { skipTest } from "./skip.ts";

/** The beginning of a command line that starts a program in namespaces of its own; where there can be none the test is skipped. */
export function namespaceFor(context: TestContext, ...flags: readonly string[]): readonly string[] {
  const { status, stderr } = spawnSync("unshare", [...flags, "true"], { encoding: "utf8" });
  return status === 0 ? ["unshare", ...flags] : skipTest(context, stderr.trim());
}
