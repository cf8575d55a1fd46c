import { expect, test } from "vitest";
import { describeSoak, soakKernels } from "../helpers/kernel-soak.ts";

const MAX_BYTES = 1024;
const PLAN = { warmUpCells: 1500, cells: 2000, warmUpContexts: 60, contexts: 200, samples: 20 };

/** Of JavaScript only the number is told: what V8 keeps of evaluated code comes and goes with its collections. */
test.each([
  { ...PLAN, language: "python", cells: 10_000, warmUpContexts: 800, contexts: 2000, isKernelJudged: true },
  { ...PLAN, language: "bash", isKernelJudged: true },
  { ...PLAN, language: "javascript", isKernelJudged: false },
  { ...PLAN, language: "typescript", isKernelJudged: false },
  { ...PLAN, language: "r", isKernelJudged: false },
  { ...PLAN, language: "java", isKernelJudged: false },
])("$language: $cells cells and $contexts contexts leave nothing behind", async ({ isKernelJudged, ...plan }) => {
  const report = await soakKernels(plan);
  console.log(describeSoak(plan, report));
  expect(report.after).toEqual(report.before);
  expect(report.troubles).toEqual([]);
  // A few contexts say nothing about a slope: allocators take memory in steps.
  if (plan.contexts >= 2000) expect(report.daemonSlope).toBeLessThan(MAX_BYTES);
  if (isKernelJudged) expect(report.kernelSlope).toBeLessThan(MAX_BYTES);
});
