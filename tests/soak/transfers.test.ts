import { readFileSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { startForkedDaemon } from "../helpers/forked-daemon.ts";
import { downloadSum, uploadPattern } from "../helpers/transfers.ts";

const GIB = 1024 ** 3;
/** What /proc/<pid>/clear_refs takes for it. */
const RESET_PEAK = "5";

test("2 GiB up and down never take 40 MB of memory", async () => {
  await using daemon = await startForkedDaemon();
  const folder = await mkdtemp(join(tmpdir(), "guestd-large-"));
  try {
    const path = join(folder, "large");
    // What any transfer leaves warm is not this one's.
    await uploadPattern(daemon.url, path, GIB / 64);
    await downloadSum(daemon.url, path);
    await daemon.memory(); // collects
    writeFileSync(`/proc/${daemon.pid}/clear_refs`, RESET_PEAK);
    const before = memoryBytes(daemon.pid, "VmRSS");
    const sent = await uploadPattern(daemon.url, path, 2 * GIB);
    expect(await downloadSum(daemon.url, path)).toEqual(sent);
    const [left, most] = [memoryBytes(daemon.pid, "VmRSS") - before, memoryBytes(daemon.pid, "VmHWM") - before];
    console.log(`${(left / 1e6).toFixed(1)} MB more at the end, ${(most / 1e6).toFixed(1)} MB at most`);
    expect(left).toBeLessThan(40e6);
    expect(most).toBeLessThan(40e6);
  } finally {
    await rm(folder, { recursive: true });
  }
});

/** Resident memory of a process: now, or the most it has had since the peak was reset. */
function memoryBytes(pid: number, field: "VmRSS" | "VmHWM"): number {
  const status = readFileSync(`/proc/${pid}/status`, "latin1");
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(status)?.[1]) * 1024;
}
