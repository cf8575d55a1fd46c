import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import parse from "parse-prometheus-text-format";
import { afterEach, beforeEach, expect, test } from "vitest";
import { readCpu } from "../../../src/host/cpu.ts";
import { machineMemory, narrowestGroup } from "../../../src/host/memory.ts";
import { readPressure } from "../../../src/host/pressure.ts";
import { toText } from "../../../src/metrics/exposition.ts";
import { machineFamilies } from "../../../src/metrics/figures.ts";
import { toWire } from "../../../src/metrics/rest.ts";
import type { MetricsSample } from "../../../src/metrics/sample.ts";
import { CGROUP_TREES, type CgroupTree, writeCgroupTree } from "../../helpers/cgroup-trees.ts";

let root = "";
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "guestd-tree-"));
});
afterEach(() => rmSync(root, { recursive: true }));

/** What a sample has of a tree; all else is made up. */
function sampleOf(tree: CgroupTree): MetricsSample {
  const proc = writeCgroupTree(root, tree);
  const machine = machineMemory(proc);
  const { processors, usedMs } = readCpu(proc);
  return {
    at: new Date(),
    cpuCount: Math.ceil(processors),
    cpuUsedPercent: 50,
    cpuWindowMs: 5000,
    cpuUsedMs: usedMs,
    memory: narrowestGroup(machine.total, proc) ?? machine,
    diskTotal: 1,
    diskUsed: 1,
    processes: 1,
    zombies: 0,
    descriptors: { open: 1, limit: 1 },
    pressure: readPressure(proc),
    residentBytes: new Map(),
  };
}

/** Numbers of the Prometheus text without labels, and `name resource` of those with one. */
function numbersOf(sample: MetricsSample): Map<string, number> {
  const points = parse(toText(machineFamilies(sample))).flatMap(({ name, metrics }) =>
    metrics.map(({ labels, value }): [string, number] => [
      labels?.["resource"] === undefined ? name : `${name} ${labels["resource"]}`,
      Number(value),
    ]),
  );
  return new Map(points);
}

const SOME = "sandbox_pressure_some_seconds_total";
const FULL = "sandbox_pressure_full_seconds_total";

test.each([
  [
    "service",
    { cpu_count: 8, mem_total: 20_971_520, mem_used: 20_971_520, mem_cache: 0, mem_total_mib: 20 },
    {
      // The machine's processors: nothing limits them.
      sandbox_cpu_seconds_total: 1.72,
      [`${SOME} cpu`]: 2.5,
      [`${FULL} cpu`]: 1.5,
      [`${SOME} memory`]: 0.75,
      [`${FULL} memory`]: 0.5,
    },
  ],
  [
    "container",
    { cpu_count: 2, mem_total: 512 * 2 ** 20, mem_used: 209_715_200 - 62_914_560, mem_cache: 83_886_080 },
    {
      sandbox_cpu_seconds_total: 12.5,
      [`${SOME} cpu`]: 3,
      [`${FULL} cpu`]: undefined,
      [`${SOME} io`]: 1,
      [`${FULL} io`]: 0.5,
    },
  ],
  [
    "pod",
    {
      cpu_count: 3,
      mem_total: 6 * 2 ** 30,
      mem_used: 4_673_966_080 - 1_219_960_832,
      mem_cache: 1_938_186_240,
      mem_total_mib: 6144,
    },
    {
      // Where the limit is, and not in the group of the process.
      sandbox_cpu_seconds_total: 500,
      [`${SOME} cpu`]: 10,
      [`${FULL} cpu`]: 4,
    },
  ],
] as const)("the limits of a cgroup of version 2 are shown: %s", (name, json, text) => {
  const sample = sampleOf(CGROUP_TREES[name]);
  expect(toWire(sample)).toMatchObject(json);
  const numbers = numbersOf(sample);
  expect(Object.fromEntries(Object.keys(text).map((one) => [one, numbers.get(one)]))).toEqual(text);
  expect(numbers.get("sandbox_memory_total_bytes")).toBe(json.mem_total);
  expect(numbers.get("sandbox_memory_used_bytes")).toBe(json.mem_used);
  expect(numbers.get("sandbox_cpus")).toBe(json.cpu_count);
});
