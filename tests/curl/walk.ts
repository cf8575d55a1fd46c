import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startTestDaemon, startToyDaemon, type TestDaemon } from "../helpers/daemon.ts";

const run = promisify(execFile);

/** Runs a script of checks against a daemon once, with the toy kernel if it needs one, and makes each check a test of its own. */
export function testWalk(scriptName: string, { hasKernel = false } = {}): void {
  const script = join(import.meta.dirname, scriptName);
  const names = [...readFileSync(script, "utf8").matchAll(/^(?:is|has) "([^"]+)"/gm)].map(([, name = ""]) => name);
  const results = new Map<string, string>();
  let daemon: TestDaemon;
  let scratch = "";

  beforeAll(async () => {
    scratch = mkdtempSync(join(tmpdir(), "guestd-curl-"));
    daemon = await (hasKernel ? startToyDaemon() : startTestDaemon());
    const { stdout } = await run("/bin/sh", [script, daemon.url, scratch], { timeout: 100_000 });
    for (const line of stdout.trim().split("\n")) {
      const [, verdict = "", name = "", came = ""] = /^(ok|not ok) ([^:]*)(?:: (.*))?$/.exec(line) ?? [];
      results.set(name, verdict === "ok" ? "ok" : came);
    }
  });
  afterAll(async () => {
    await daemon?.[Symbol.asyncDispose]();
    rmSync(scratch, { recursive: true, force: true });
  });

  test.each(names)("%s", (name) => {
    expect(results.get(name)).toBe("ok");
  });
}
