import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { REPOSITORY, startTestDaemon, type TestDaemon, until } from "../helpers/daemon.ts";

const run = promisify(execFile);
const script = join(import.meta.dirname, "charts", "check_charts.py");

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startTestDaemon({ kernels: "real", hasInterpreterPort: true });
  await until(async () => (await fetch(`${daemon.interpreterUrl}/health`)).status === 200, 30_000);
});
afterAll(async () => daemon?.[Symbol.asyncDispose]());

/** The lines of a cell's stream, as they came. */
async function execute(code: string): Promise<string[]> {
  const response = await fetch(`${daemon.url}/execute`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ code }),
  });
  return (await response.text()).trimEnd().split("\n");
}

test("figures of every kind are read with the kernel's own matplotlib", async () => {
  const [, printed = ""] = await execute("import sys; print(sys.executable)");
  const interpreter = (JSON.parse(printed) as { text: string }).text.trim();
  const folder = join(REPOSITORY, "kernels", "python");
  const { stdout } = await run(interpreter, [script, folder], { timeout: 100_000 });
  const checks = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { name: string; error: string | null });
  expect(checks.filter(({ error }) => error !== null)).toEqual([]);
  expect(checks.length).toBeGreaterThan(25);
});

test("whole numbers of a chart are fractions on the wire, as they are in the plot", async () => {
  const lines = await execute("import matplotlib.pyplot as plt\nplt.bar(['a', 'b'], [100, 200])\nplt.show()");
  const result = lines.find((line) => line.includes('"chart"')) ?? "";
  expect(result).toContain('{"label":"a","group":"Group 0","value":100.0}');
});
