import { expect, test } from "vitest";
import { startForkedDaemon } from "../helpers/forked-daemon.ts";
import { FUZZED_ARGV, FuzzCompany } from "../helpers/fuzz/company.ts";
import { MISTAKES, startFaultyFront } from "../helpers/fuzz/faulty-front.ts";
import { addReport, describeFuzz, fuzz, type FuzzReport } from "../helpers/fuzz/fuzzer.ts";
import { holdingsOf, slopeOf } from "../helpers/holdings.ts";
import { Random, seedOfThisRun } from "../helpers/random.ts";

/** After these memory is looked at: by then as many runs are kept as ever will be. */
const WARM_UP = 40_000;
const EXECUTIONS = 140_000;
const EVERY = 4000;
/** Flat: a kilobyte that every sixteenth request left behind would be more. */
const MAX_BYTES_AN_EXECUTION = 64;

const seed = seedOfThisRun();
console.log(`fuzz: GUESTD_SEED=${seed}`);

test(`${EXECUTIONS} wrong requests get proper errors, and leave nothing behind`, async () => {
  await using daemon = await startForkedDaemon(FUZZED_ARGV);
  const before = await holdingsOf(daemon, undefined);
  const company = await FuzzCompany.gather(daemon.url);
  const random = new Random(seed);
  const total: FuzzReport = { seed, executions: 0, byRpc: {}, byOutcome: {}, findings: [] };
  const samples: [number, number][] = [];
  while (total.executions < EXECUTIONS && total.findings.length === 0) {
    addReport(total, await fuzz(daemon.port, { random, executions: EVERY, company, from: total.executions }));
    await company.renewEnded();
    if (total.executions >= WARM_UP) samples.push([total.executions, (await daemon.memory()).rss]);
  }
  company.leave();
  const slope = slopeOf(samples);
  console.log(describeFuzz(total));
  console.log(`rss ${samples.map(([, rss]) => Math.round(rss / 2 ** 20)).join(" ")} MiB, slope ${slope.toFixed(2)} B`);
  expect(total.findings).toEqual([]);
  expect(total.executions).toBe(EXECUTIONS);
  expect((await daemon.log()).troubles).toEqual([]);
  expect(slope).toBeLessThan(MAX_BYTES_AN_EXECUTION);
  expect(await holdingsOf(daemon, before)).toEqual(before);
});

test.each(Object.entries(MISTAKES))("a planted bug is found: %s", async (_name, mistake) => {
  await using daemon = await startForkedDaemon(FUZZED_ARGV);
  const company = await FuzzCompany.gather(daemon.url);
  await using front = await startFaultyFront(daemon.url, mistake);
  const options = { random: new Random(seed), executions: WARM_UP, company, maxFindings: 1 };
  const { findings, executions } = await fuzz(front.port, options);
  company.leave();
  console.log(`planted: found after ${executions} executions: ${findings[0]?.fault}`);
  expect(findings.length).toBeGreaterThan(0);
});
