import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { lstat, readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startBareFiles } from "../lib/bare-files.ts";
import { type BuiltDaemon, startBuiltDaemon } from "../lib/built-daemon.ts";
import { Connection } from "../lib/connection.ts";
import { report } from "../lib/report.ts";
import { interleave, median, quantile } from "../lib/statistics.ts";

const ROUNDS = 7;
const CALLS = 300;
const ENTRIES = 10_000;
const LISTS = 9;
const USER = process.geteuid?.() === 0 ? "&username=root" : "";

/** Small files and lists: how long one call takes, on a connection that is there. */
export async function benchSmall(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "guestd-bench-files-"));
  try {
    await using daemon = await startBuiltDaemon();
    await calls(daemon, folder);
    await lists(daemon, folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function calls(daemon: BuiltDaemon, folder: string): Promise<void> {
  await using bare = await startBareFiles();
  using ours = await Connection.open(daemon.port);
  using theirs = await Connection.open(bare.port);
  const path = join(folder, "small");
  const query = `/files?path=${encodeURIComponent(path)}${USER}`;
  const upload = { type: "application/octet-stream", body: Buffer.alloc(1024, "a") };
  const stat = Buffer.from(JSON.stringify({ path }));
  const kinds = [
    ["write of 1 KiB over an existing file", (to: Connection) => to.request("POST", query, upload), 0.5, "0.2 ms"],
    ["read of 1 KiB", (to: Connection) => to.request("GET", query), 0.5, "0.12 ms"],
    ["Stat", (to: Connection) => to.call("/filesystem.Filesystem/Stat", stat), 0.25, "0.13 ms"],
  ] as const;
  // The first ones find cold code.
  const emptyMs = (await times(() => theirs.request("GET", "/empty"))).slice(CALLS / 2);
  for (const [what, call, atMost, usual] of kinds) {
    const sides = await interleave(ROUNDS, {
      ours: () => times(() => call(ours)),
      bare: () => times(() => call(theirs)),
    });
    // The first round finds cold code.
    const [ms, bareMs] = [sides.ours.slice(1).flat(), sides.bare.slice(1).flat()];
    const target = { on: "ours", atMost } as const;
    const note =
      "bare: node:http and fs streams (of Stat: lstat) on a connection that is there; " +
      `its answer of an empty body takes ${median(emptyMs).toFixed(3)} ms`;
    report({ what: `${what}, p50`, unit: "ms", ours: median(ms), bare: median(bareMs), target, usual, note });
    report({ what: "the same, p99", unit: "ms", ours: quantile(ms, 0.99), bare: quantile(bareMs, 0.99) });
  }
}

async function times(call: () => Promise<{ status: number }>): Promise<number[]> {
  const ms: number[] = [];
  for (let index = 0; index < CALLS; index += 1) {
    const began = performance.now();
    const { status } = await call();
    if (status !== 200) throw new Error(`answered ${status}`);
    ms.push(performance.now() - began);
  }
  return ms;
}

async function lists(daemon: BuiltDaemon, folder: string): Promise<void> {
  const many = mkdtempSync(join(folder, "many-"));
  for (let index = 0; index < ENTRIES; index += 1) writeFileSync(join(many, `file-${index}.txt`), "");
  using connection = await Connection.open(daemon.port);
  using other = await Connection.open(daemon.port);
  const message = Buffer.from(JSON.stringify({ path: many }));
  const ours: number[] = [];
  const bare: number[] = [];
  const waits: number[] = [];
  const longest: number[] = [];
  const calmWaits: number[] = [];
  for (let round = 0; round < LISTS; round += 1) {
    const began = performance.now();
    const done = new AbortController();
    const listing = connection.call("/filesystem.Filesystem/ListDir", message).finally(() => done.abort());
    const waited: number[] = [];
    while (!done.signal.aborted) {
      const asked = performance.now();
      await other.request("GET", "/health");
      waited.push(performance.now() - asked);
    }
    await listing;
    if (round > 0) {
      waits.push(...waited);
      longest.push(Math.max(...waited));
    }
    if (round > 0) ours.push(performance.now() - began);
    const raw = performance.now();
    for (const name of await readdir(many)) await lstat(join(many, name), { bigint: true });
    if (round > 0) bare.push(performance.now() - raw);
  }
  while (calmWaits.length < waits.length) {
    const asked = performance.now();
    await other.request("GET", "/health");
    calmWaits.push(performance.now() - asked);
  }
  const alone: number[] = [];
  for (let round = 0; round < LISTS; round += 1) {
    const began = performance.now();
    await connection.call("/filesystem.Filesystem/ListDir", message);
    alone.push(performance.now() - began);
  }
  report({
    what: "ListDir of 10 000 entries, p50",
    unit: "ms",
    ours: median(alone),
    bare: median(bare),
    target: { on: "ours", atMost: 100 },
    usual: "190-230 ms",
    note: `bare: readdir and lstat one after the other, in the bench's process; ${median(ours).toFixed(0)} ms while others ask`,
  });
  report({
    what: "longest wait of another request during a list, p50 of the lists",
    unit: "ms",
    ours: median(longest),
    target: { on: "ours", atMost: 10 },
    note: `GET /health over and over on another connection, ${waits.length} times: p99 ${quantile(waits, 0.99).toFixed(2)} ms, longest of all ${Math.max(...waits).toFixed(1)} ms; as often while nothing is listed: longest ${Math.max(...calmWaits).toFixed(1)} ms`,
  });
}
