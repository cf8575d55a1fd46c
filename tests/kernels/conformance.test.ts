import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type KernelCase, readCases, runCase } from "../helpers/conformance.ts";
import { REPOSITORY, startTestDaemon, type TestDaemon, until } from "../helpers/daemon.ts";

const kernels = join(REPOSITORY, "kernels");
/** Those that every daemon of this kind is held to, and those of the kernels themselves. */
const cases = {
  shared: readCases(join(import.meta.dirname, "kernel-cases.json")),
  own: readdirSync(kernels)
    .map((name) => join(kernels, name, "conformance.json"))
    .filter((file) => existsSync(file))
    .flatMap(readCases),
};
const passed = new Set<KernelCase>();
const byLanguage = Map.groupBy([...cases.shared, ...cases.own], ({ language }) => language);

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startTestDaemon({ kernels: "real", hasInterpreterPort: true });
  await until(async () => (await fetch(`${daemon.interpreterUrl}/health`)).status === 200, 30_000);
});
afterAll(async () => {
  await daemon?.[Symbol.asyncDispose]();
  console.log([...byLanguage.keys(), undefined].map(summary).join("\n"));
});

describe.each([...byLanguage])("%s", (_language, ofLanguage) => {
  test.each(ofLanguage.map((wanted) => [wanted.title, wanted] as const))("%s", async (_title, wanted) => {
    expect(await runCase(daemon.url, wanted)).toEqual([]);
    passed.add(wanted);
  });
});

/** How many cases of a language, or of all, have passed. A case that was not run, as with `-t`, has not. */
function summary(language: string | undefined): string {
  const counts = Object.entries(cases).map(([origin, all]) => {
    const wanted = all.filter((one) => language === undefined || one.language === language);
    return `${wanted.filter((one) => passed.has(one)).length} of ${wanted.length} ${origin} cases`;
  });
  return `conformance: ${language ?? "all"}: ${counts.join(", ")} passed`;
}
