import { expect, test } from "vitest";
import { describeSoak, soakKernels } from "../helpers/kernel-soak.ts";

// The long form, which also judges memory, is in tests/soak.
test.each([{ language: "python" }, { language: "javascript" }, { language: "bash" }])(
  "$language: 100 cells and 12 contexts leave nothing behind",
  async ({ language }) => {
    const plan = { language, warmUpCells: 20, cells: 100, warmUpContexts: 4, contexts: 12, samples: 2 };
    const report = await soakKernels(plan);
    console.log(describeSoak(plan, report));
    expect(report.after).toEqual(report.before);
    expect(report.troubles).toEqual([]);
  },
);
