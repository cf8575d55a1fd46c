import { expect, test } from "vitest";
import { startTestDaemon, until } from "../helpers/daemon.ts";
import { seedOfThisRun, Random } from "../helpers/random.ts";
import { interruptAtRandom, PYTHON_INTERRUPTS } from "../helpers/random-interrupts.ts";

test("500 interrupts at any moment cost Python no state and never the next cell", async () => {
  await using daemon = await startTestDaemon({
    kernels: "real",
    hasInterpreterPort: true,
    argv: ["--kernels", "python"],
  });
  await until(async () => (await fetch(`${daemon.interpreterUrl}/health`)).status === 200, 60_000);
  const random = new Random(seedOfThisRun());
  console.log(`interrupts: GUESTD_SEED=${random.seed}`);
  const report = await interruptAtRandom(daemon.interpreterUrl, "python", { ...PYTHON_INTERRUPTS, random, count: 500 });
  console.log(`interrupts: ${JSON.stringify(report.outcomes)}`);
  expect(report.faults).toEqual([]);
});
