import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type KernelCase, readCases, runCase } from "../helpers/conformance.ts";
import { REPOSITORY, startTestDaemon, type TestDaemon, until } from "../helpers/daemon.ts";

const shared = readCases(join(import.meta.dirname, "kernel-cases.json"));
const kernels = join(REPOSITORY, "kernels");
const own = readdirSync(kernels)
  .map((name) => join(kernels, name, "conformance.json"))
  .filter((file) => existsSync(file))
  .flatMap(readCases);
const offered = new Set(["python", "javascript", "typescript", "bash", "r", "java"]);
const byLanguage = Map.groupBy([...shared, ...own], ({ language }: KernelCase) => language);

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startTestDaemon({ kernels: "real", hasInterpreterPort: true });
  await until(async () => (await fetch(`${daemon.interpreterUrl}/health`)).status === 200, 30_000);
});
afterAll(async () => daemon?.[Symbol.asyncDispose]());

describe.each([...byLanguage].filter(([language]) => offered.has(language)))("%s", (_language, cases) => {
  test.each(cases.map((wanted) => [wanted.title, wanted] as const))("%s", async (_title, wanted) => {
    expect(await runCase(daemon.url, wanted)).toEqual([]);
  });
});
