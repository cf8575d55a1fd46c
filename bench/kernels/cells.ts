import { timeCells } from "../lib/code-place.ts";
import { startJupyter } from "../lib/jupyter.ts";
import { startOwnContexts } from "../lib/own-contexts.ts";
import { compare } from "./comparison.ts";

const ROUNDS = 7;
const PLOT = `import matplotlib.pyplot as plt
figure = plt.figure()
plt.plot(range(100), [x * x for x in range(100)])
plt.show()`;

const CELLS = [
  {
    what: "trivial cell (`1 + 1`), p50",
    code: "1 + 1",
    count: 60,
    target: { on: "ours", atMost: 2 },
    timesFaster: 15,
    usual: "48 ms",
  },
  {
    what: "1 000 prints",
    code: "for i in range(1000): print(i)",
    count: 15,
    target: { on: "ours", atMost: 10 },
    usual: "50 ms",
  },
  { what: "print of 5 MB", code: "print('x' * 5_000_000)", count: 5, usual: "151 ms" },
  { what: "a plot", code: PLOT, count: 5, usual: "120 ms" },
] as const;

/** What a cell takes in a context that is there, from request to the end of the answer. */
export async function benchCells(): Promise<void> {
  await using own = await startOwnContexts();
  await using jupyter = await startJupyter();
  await using mine = await own.default("python");
  await using theirs = await jupyter.open();
  for (const { code, count, ...row } of CELLS) {
    await compare({
      ...row,
      rounds: ROUNDS,
      ours: () => timeCells(mine, code, count),
      jupyter: () => timeCells(theirs, code, count),
    });
  }
}
