import { Sandbox } from "@e2b/code-interpreter";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type BuiltDaemon, startBuiltDaemon } from "../../helpers/built-daemon.ts";

let daemon: BuiltDaemon;
let sandbox: Sandbox;

beforeAll(async () => {
  daemon = await startBuiltDaemon();
  sandbox = await Sandbox.create({ debug: true, sandboxUrl: daemon.url });
});
afterAll(async () => daemon?.[Symbol.asyncDispose]());

async function chartOf(code: string): Promise<unknown> {
  const prelude = "import datetime\nimport numpy as np\nimport matplotlib.pyplot as plt\n";
  const { results, error } = await sandbox.runCode(`${prelude}${code}\nplt.show()`);
  expect(error).toBeUndefined();
  expect(results).toHaveLength(1);
  expect(results[0]?.extra).toEqual({});
  expect(results[0]?.png).toBeTruthy();
  return results[0]?.chart;
}

test("line", async () => {
  const chart = (await chartOf(`
days = [datetime.date(2023, 9, 1) + datetime.timedelta(seconds=i) for i in range(100)]
x = np.linspace(0, 10, 100)
plt.plot(days, np.sin(x), label='sin(x)')
plt.plot(days, np.cos(x), label='cos(x)')
plt.xlabel("Time (s)"); plt.ylabel("Amplitude (Hz)"); plt.title('Plot of sin(x) and cos(x)')`)) as {
    x_ticks: unknown[];
    y_ticks: unknown[];
    elements: { label: string; points: [string, number][] }[];
  };
  expect(chart).toMatchObject({
    type: "line",
    title: "Plot of sin(x) and cos(x)",
    x_label: "Time (s)",
    x_unit: "s",
    y_label: "Amplitude (Hz)",
    y_unit: "Hz",
    x_scale: "datetime",
    y_scale: "linear",
  });
  expect(chart.x_ticks.every((tick) => typeof tick === "string")).toBe(true);
  expect(chart.y_ticks.every((tick) => typeof tick === "number")).toBe(true);
  expect(chart.elements.map(({ label, points }) => [label, points.length])).toEqual([
    ["sin(x)", 100],
    ["cos(x)", 100],
  ]);
  expect(new Date(chart.elements[0]?.points[0]?.[0] ?? "")).toEqual(new Date("2023-09-01T00:00:00Z"));
});

test("scatter", async () => {
  const chart = await chartOf("plt.scatter([1, 2], [3, 4.5], label='Dataset 1'); plt.xlabel('A'); plt.ylabel('B')");
  expect(chart).toMatchObject({ type: "scatter", title: null, x_label: "A", x_unit: null, x_scale: "linear" });
  const points = [
    [1, 3],
    [2, 4.5],
  ];
  expect(chart).toMatchObject({ elements: [{ label: "Dataset 1", points }] });
});

test("bar", async () => {
  expect(await chartOf("plt.bar(['A', 'B'], [100, 200], label='Books'); plt.xlabel('Authors')")).toEqual({
    type: "bar",
    title: null,
    elements: [
      { label: "A", group: "Books", value: 100 },
      { label: "B", group: "Books", value: 200 },
    ],
    x_label: "Authors",
    y_label: null,
    x_unit: null,
    y_unit: null,
  });
});

test("pie", async () => {
  expect(await chartOf("plt.pie([90, 10], labels=['a', 'b']); plt.title('Pie')")).toEqual({
    type: "pie",
    title: "Pie",
    elements: [
      { label: "a", angle: 324, radius: 1 },
      { label: "b", angle: 36, radius: 1 },
    ],
  });
});

test("box and whisker", async () => {
  const code = "plt.boxplot([[95, 89, 76, 91, 84, 87]], labels=['Class B'], patch_artist=True)";
  const quartiles = { first_quartile: 84.75, median: 88, third_quartile: 90.5 };
  expect(await chartOf(code)).toMatchObject({
    type: "box_and_whisker",
    elements: [{ label: "Class B", min: 84, ...quartiles, max: 95, outliers: [76] }],
  });
});

test("superchart and unknown", async () => {
  const figure = "figure, (left, right) = plt.subplots(1, 2)\nfigure.suptitle('Multiple Charts Example')\n";
  const chart = await chartOf(`${figure}left.plot([1, 2]); left.set_title('L'); right.imshow([[1, 2]])`);
  expect(chart).toMatchObject({ type: "superchart", title: "Multiple Charts Example" });
  expect(chart).toMatchObject({
    elements: [
      { type: "line", title: "L", x_label: null },
      { type: "unknown", title: null, elements: [] },
    ],
  });
});
