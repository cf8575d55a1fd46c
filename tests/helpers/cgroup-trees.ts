import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { mountInfo } from "./mount-info.ts";

/** A unified hierarchy as kernels show it, with the process that looks in one of its groups. */
export interface CgroupTree {
  /** Of `/proc/self/cgroup`. */
  own: string;
  /** Files of groups, by their paths. */
  groups: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

const MACHINE_BYTES = 16 * 2 ** 30;
const PROCESSORS = 8;

/** `memory.stat` in the order of the kernel; counters of events, which nobody reads here, stand for themselves with the first. */
function memoryStat(figures: Readonly<Record<string, number>>): string {
  return Object.entries({ ...figures, pgfault: 2461 })
    .map(([name, value]) => `${name} ${value}\n`)
    .join("");
}

function pressureLine(kind: string, total: number): string {
  return `${kind} avg10=0.00 avg60=0.12 avg300=0.05 total=${total}\n`;
}

function pressure(some: number, full?: number): string {
  return pressureLine("some", some) + (full === undefined ? "" : pressureLine("full", full));
}

const throttled = (usage: number, more = ""): string =>
  `usage_usec ${usage}\nuser_usec ${usage - 10_503}\nsystem_usec 10503\n${more}nr_periods 40\nnr_throttled 3\nthrottled_usec 9120\n`;

/** Trees of version 2 by what they are. */
export const CGROUP_TREES = {
  /** Linux 6.x, a slice of 20 MiB below a user's. Its memory is that of a kernel's report on memory that ran out; those around it are made up. */
  service: {
    own: "/user.slice/user-1000.slice/dans-slice",
    groups: {
      "/": { "cpu.stat": "usage_usec 99000000\nuser_usec 60000000\nsystem_usec 39000000\n" },
      "/user.slice": {
        "memory.max": "max\n",
        "memory.high": "max\n",
        "memory.current": "812646400\n",
        "memory.stat": memoryStat({
          anon: 512_000_000,
          file: 250_000_000,
          kernel: 50_646_400,
          inactive_file: 90_000_000,
        }),
        "memory.events": "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\noom_group_kill 0\n",
        "cpu.max": "max 100000\n",
        "cpu.stat": throttled(31_585_000),
      },
      "/user.slice/user-1000.slice": {
        "memory.max": "1073741824\n",
        "memory.high": "max\n",
        "memory.current": "712646400\n",
        "memory.stat": memoryStat({
          anon: 412_000_000,
          file: 250_000_000,
          kernel: 50_646_400,
          inactive_file: 90_000_000,
        }),
        "memory.events": "low 0\nhigh 0\nmax 0\noom 0\noom_kill 1\noom_group_kill 0\n",
        "cpu.max": "max 100000\n",
        "cpu.stat": throttled(31_585_000),
      },
      "/user.slice/user-1000.slice/dans-slice": {
        "memory.max": "20971520\n",
        "memory.high": "max\n",
        "memory.current": "20971520\n",
        "memory.stat": memoryStat({
          anon: 20_705_280,
          file: 0,
          kernel: 188_416,
          kernel_stack: 16_384,
          pagetables: 81_920,
          sec_pagetables: 0,
          percpu: 0,
          sock: 0,
          vmalloc: 0,
          shmem: 0,
          zswap: 0,
          zswapped: 0,
          file_mapped: 0,
          file_dirty: 0,
          file_writeback: 0,
          swapcached: 0,
          anon_thp: 18_874_368,
          file_thp: 0,
          shmem_thp: 0,
          inactive_anon: 20_652_032,
          active_anon: 4096,
          inactive_file: 0,
          active_file: 0,
          unevictable: 0,
          slab_reclaimable: 0,
          slab_unreclaimable: 18_752,
          slab: 18_752,
          workingset_refault_anon: 0,
        }),
        "memory.events": "low 0\nhigh 0\nmax 148\noom 1\noom_kill 1\noom_group_kill 0\n",
        "cpu.max": "max 100000\n",
        "cpu.stat": throttled(31_585, "nice_usec 0\ncore_sched.force_idle_usec 0\n"),
        "cpu.pressure": pressure(2_500_000, 1_500_000),
        "memory.pressure": pressure(750_000, 500_000),
        "io.pressure": pressure(0, 0),
        "io.stat": "8:0 rbytes=90112 wbytes=0 rios=5 wios=0 dbytes=0 dios=0\n",
      },
    },
  },
  /** Linux 5.10, a container in a namespace of cgroups. Before 5.13 nobody counted the time in which all programs waited for a processor. */
  container: {
    own: "/",
    groups: {
      "/": {
        "memory.max": "536870912\n",
        "memory.high": "max\n",
        "memory.current": "209715200\n",
        "memory.stat": memoryStat({
          anon: 104_857_600,
          file: 83_886_080,
          kernel_stack: 114_688,
          percpu: 30_720,
          sock: 4096,
          shmem: 0,
          file_mapped: 2_297_856,
          file_dirty: 12_288,
          file_writeback: 0,
          anon_thp: 0,
          file_thp: 0,
          shmem_thp: 0,
          inactive_anon: 103_809_024,
          active_anon: 56_000,
          inactive_file: 62_914_560,
          active_file: 20_971_520,
          unevictable: 0,
          slab_reclaimable: 10_485_760,
          slab_unreclaimable: 2_097_152,
          slab: 12_582_912,
        }),
        "memory.events": "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\n",
        "cpu.max": "150000 100000\n",
        "cpu.stat": throttled(12_500_000),
        "cpu.pressure": pressure(3_000_000),
        "memory.pressure": pressure(250_000, 125_000),
        "io.pressure": pressure(1_000_000, 500_000),
        "io.stat": "254:0 rbytes=9052160 wbytes=4096 rios=331 wios=1 dbytes=0 dios=0\n",
      },
    },
  },
  /** Linux 6.x, a container in a pod that has the limits: its own group has none. Its memory is that of an agent's container. */
  pod: {
    own: "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice/cri-containerd-2.scope",
    groups: {
      "/kubepods.slice": {
        "memory.max": "15032385536\n",
        "memory.current": "9673966080\n",
        "memory.stat": memoryStat({ anon: 7_589_249_536, file: 1_938_186_240, inactive_file: 1_219_960_832 }),
        "memory.events": "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\noom_group_kill 0\n",
        "cpu.max": "max 100000\n",
        "cpu.stat": throttled(900_000_000),
      },
      "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice": {
        "memory.max": "6442450944\n",
        "memory.current": "4673966080\n",
        "memory.stat": memoryStat({
          anon: 2_589_249_536,
          file: 1_938_186_240,
          kernel: 134_979_584,
          shmem: 10_563_584,
          inactive_file: 1_219_960_832,
          active_file: 707_764_224,
          slab_reclaimable: 81_934_336,
          slab_unreclaimable: 11_429_224,
        }),
        "memory.events": "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\noom_group_kill 0\n",
        "cpu.max": "250000 100000\n",
        "cpu.stat": throttled(500_000_000, "nice_usec 0\n"),
      },
      "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice/cri-containerd-2.scope": {
        "memory.max": "max\n",
        "memory.current": "4673966080\n",
        "memory.stat": memoryStat({ anon: 2_589_249_536, file: 1_938_186_240, inactive_file: 1_219_960_832 }),
        "memory.events": "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\noom_group_kill 0\n",
        "cpu.max": "max 100000\n",
        "cpu.stat": throttled(499_000_000, "nice_usec 0\n"),
        "cpu.pressure": pressure(10_000_000, 4_000_000),
        "memory.pressure": pressure(0, 0),
        "io.pressure": pressure(2_000_000, 2_000_000),
      },
    },
  },
} as const satisfies Readonly<Record<string, CgroupTree>>;

/** Writes a tree, on a machine of 16 GiB and eight processors, into `root`; returns where that has its `/proc`. */
export function writeCgroupTree(root: string, { own, groups }: CgroupTree): string {
  const times = "100 20 40 4000 12 4 8 16 0 0";
  const processors = Array.from({ length: PROCESSORS }, (_, index) => `cpu${index} ${times}\n`);
  const files: Record<string, string> = {
    "proc/stat": `cpu  ${times}\n${processors.join("")}intr 0\n`,
    "proc/meminfo": `MemTotal: ${MACHINE_BYTES / 1024} kB\nMemAvailable: 9000000 kB\nBuffers: 1000 kB\nCached: 2000 kB\n`,
    "proc/self/status": `Cpus_allowed_list:\t0-${PROCESSORS - 1}\n`,
    "proc/self/cgroup": `0::${own}\n`,
    "proc/self/mountinfo": mountInfo({ point: join(root, "cgroup"), type: "cgroup2", options: "rw,nsdelegate" }),
    "proc/pressure/cpu": pressure(99_000_000),
  };
  for (const [group, members] of Object.entries(groups))
    for (const [name, text] of Object.entries(members)) files[join("cgroup", group, name)] = text;
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), text);
  }
  return join(root, "proc");
}
