import { afterAll, beforeAll, expect, test } from "vitest";
import { type ForkedDaemon, startForkedDaemon } from "../helpers/forked-daemon.ts";
import { FUZZED_ARGV, FuzzCompany } from "../helpers/fuzz/company.ts";
import { MISTAKES, NO_MISTAKE, startFaultyFront } from "../helpers/fuzz/faulty-front.ts";
import { describeFuzz, fuzz } from "../helpers/fuzz/fuzzer.ts";
import { Random } from "../helpers/random.ts";

/** Another one with GUESTD_SEED; the long form, with a seed of its own each time, is in tests/soak. */
const SEED = Number(process.env["GUESTD_SEED"] ?? 4);
const EXECUTIONS = 3000;

let daemon: ForkedDaemon;
let company: FuzzCompany;
beforeAll(async () => {
  daemon = await startForkedDaemon(FUZZED_ARGV);
  company = await FuzzCompany.gather(daemon.url);
});
afterAll(async () => {
  company.leave();
  await daemon[Symbol.asyncDispose]();
});

test(`${EXECUTIONS} wrong requests get proper errors`, async () => {
  const report = await fuzz(daemon.port, { random: new Random(SEED), executions: EXECUTIONS, company });
  console.log(describeFuzz(report));
  expect(report.findings).toEqual([]);
  expect((await daemon.log()).troubles).toEqual([]);
});

test.each(Object.entries(MISTAKES))("a planted bug is found: %s", async (_name, mistake) => {
  await using front = await startFaultyFront(daemon.url, mistake);
  const random = new Random(SEED);
  const { findings } = await fuzz(front.port, { random, executions: EXECUTIONS, company, maxFindings: 1 });
  expect(findings.length).toBeGreaterThan(0);
});

test("nothing is found where nothing is planted", async () => {
  await using front = await startFaultyFront(daemon.url, NO_MISTAKE);
  const report = await fuzz(front.port, { random: new Random(SEED), executions: 500, company });
  expect(report.findings).toEqual([]);
});
