import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readCases, runCase } from "../helpers/conformance.ts";
import { startTestDaemon, type TestDaemon, until } from "../helpers/daemon.ts";
import { makePlainPython } from "../helpers/plain-python.ts";

/** Shared cases that cannot pass without IPython, by title, and what they need of it. */
const NEEDS_IPYTHON: Readonly<Record<string, string>> = {
  "%%bash cell magic": "cell magics",
  "display() ordering against stdout": "IPython.display module",
  "raw mime display": "IPython.display module",
  "all rich formats": "IPython.display module",
  "help output": "`object?`",
  "clear_output/update_display do not fail": "IPython.display module",
};

const cases = readCases(join(import.meta.dirname, "kernel-cases.json")).filter(({ language }) => language === "python");
const folder = mkdtempSync(join(tmpdir(), "guestd-plain-"));
let daemon: TestDaemon;
beforeAll(async () => {
  const kernels = { folder: makePlainPython(folder) };
  daemon = await startTestDaemon({ kernels, hasInterpreterPort: true });
  await until(async () => (await fetch(`${daemon.interpreterUrl}/health`)).status === 200, 60_000);
});
afterAll(async () => {
  await daemon?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

test("the engine is the plain one", async () => {
  const { kernels } = (await (await daemon.fetch("/v1/info")).json()) as { kernels: Record<string, unknown> };
  expect(kernels["python"]).toMatchObject({ available: true, engine: "plain" });
});

test.each(cases.filter(({ title }) => !(title in NEEDS_IPYTHON)).map((wanted) => [wanted.title, wanted] as const))(
  "%s",
  async (_title, wanted) => {
    expect(await runCase(daemon.url, wanted)).toEqual([]);
  },
);

test.each(Object.entries(NEEDS_IPYTHON))("%s: cannot pass without IPython's %s", async (title) => {
  const wanted = cases.find((one) => one.title === title);
  if (!wanted) throw new Error("no such case");
  expect(await runCase(daemon.url, wanted)).not.toEqual([]);
});
