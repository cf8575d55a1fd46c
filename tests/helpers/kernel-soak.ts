import { chmodSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { descendantsOf } from "../../src/host/process-tree.ts";
import { CELL_SOAKS, contextCycle, runCells } from "./cell-cycles.ts";
import { CodeSession } from "./code-contexts.ts";
import { forgetRuns, runCycles } from "./cycles.ts";
import { until } from "./daemon.ts";
import { openKernelLog } from "./kernel-log.ts";
import { descriptorsOf, type ForkedDaemon, startForkedDaemon } from "./forked-daemon.ts";
import { slopeOf } from "./holdings.ts";

export interface KernelSoakPlan {
  language: string;
  warmUpCells: number;
  cells: number;
  warmUpContexts: number;
  contexts: number;
  /** Memory is measured so many times. */
  samples: number;
}

/** Numbers of things that are held, once nothing is being opened or closed. */
interface Holdings {
  descriptors: number;
  processes: number;
  kernelDescriptors: number;
  temporaryFiles: number;
}

export interface KernelSoakReport {
  before: Holdings;
  after: Holdings;
  /** Bytes a cell that the kernel gains. */
  kernelSlope: number;
  /** Bytes a context that the daemon gains. */
  daemonSlope: number;
  troubles: string[];
}

/** Numbers that are the same so many times in a row are no coincidence. */
const SETTLED_LOOKS = 20;

/** Runs cells in one context, then many contexts, and says what they have left behind. */
export async function soakKernels(plan: KernelSoakPlan): Promise<KernelSoakReport> {
  const { language, warmUpCells, cells, warmUpContexts, contexts, samples } = plan;
  const soak = CELL_SOAKS[language];
  if (!soak) throw new Error(`there are no cells for ${language}`);
  const folder = mkdtempSync(join(tmpdir(), "guestd-soak-"));
  chmodSync(folder, 0o1777);
  try {
    const argv = ["--kernels", language, "--kept-runs", "100", "--spare-kernels", "0"];
    await using daemon = await startForkedDaemon(argv, { temporaryFolder: folder, hasKernels: true });
    const { url } = daemon;
    await useTemporaryFolder(url, folder);
    await openKernelLog(url);
    const session = await CodeSession.open(url, { language });
    const cycle = contextCycle(language);
    await runCells(url, { session, soak, count: warmUpCells, every: warmUpCells });
    await runCycles(url, [cycle], { count: warmUpContexts, concurrency: 2 });
    const before = await settled(daemon, folder);
    const inKernel = await runCells(url, { session, soak, count: cells, every: cells / samples });
    const inDaemon: [number, number][] = [];
    for (let sample = 1; sample <= samples; sample += 1) {
      await runCycles(url, [cycle], { count: contexts / samples, concurrency: 2 });
      await forgetRuns(url);
      inDaemon.push([(sample * contexts) / samples, (await daemon.memory()).rss]);
    }
    const after = await settled(daemon, folder, before);
    const { troubles } = await daemon.log();
    return { before, after, kernelSlope: slopeOf(inKernel), daemonSlope: slopeOf(inDaemon), troubles };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Kernels make their temporary files where they are counted. */
async function useTemporaryFolder(url: string, folder: string): Promise<void> {
  const body = JSON.stringify({ envVars: { TMPDIR: folder } });
  const { status } = await fetch(`${url}/init`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body,
  });
  if (status !== 204) throw new Error(`/init answered ${status}`);
}

/** What is held once that does not change any more; waits for `expected` if it can be had. */
async function settled(daemon: ForkedDaemon, folder: string, expected?: Holdings): Promise<Holdings> {
  await forgetRuns(daemon.url);
  await daemon.memory();
  let held = holdings(daemon, folder);
  let looks = 0;
  const isSettled = (): boolean => {
    const now = holdings(daemon, folder);
    looks = JSON.stringify(now) === JSON.stringify(expected ?? held) ? looks + 1 : 0;
    held = now;
    return looks >= SETTLED_LOOKS;
  };
  await until(isSettled).catch(() => undefined); // the caller compares and shows what is different
  return held;
}

function holdings({ pid }: ForkedDaemon, folder: string): Holdings {
  const processes = descendantsOf(pid);
  return {
    // Sockets are our own connections, of which fetch keeps as many as it likes.
    descriptors: descriptorsOf(pid).filter((line) => !line.includes(" socket:")).length,
    processes: processes.length,
    kernelDescriptors: processes.reduce((sum, child) => sum + countDescriptors(child), 0),
    temporaryFiles: readdirSync(folder, { recursive: true }).length,
  };
}

function countDescriptors(pid: number): number {
  try {
    return descriptorsOf(pid).length;
  } catch {
    return 0; // it has ended while we looked
  }
}

/** One line for whoever reads the test's output. */
export function describeSoak({ language, cells, contexts }: KernelSoakPlan, report: KernelSoakReport): string {
  const { before, after, kernelSlope, daemonSlope } = report;
  const kept = (Object.keys(before) as (keyof Holdings)[]).map((name) => `${name} ${before[name]} -> ${after[name]}`);
  return (
    `${language}: ${cells} cells, the kernel gains ${kernelSlope.toFixed(0)} B a cell; ` +
    `${contexts} contexts, the daemon gains ${daemonSlope.toFixed(0)} B each; ${kept.join(", ")}`
  );
}
