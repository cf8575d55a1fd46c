import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import parse from "parse-prometheus-text-format";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startBuiltDaemon } from "../helpers/built-daemon.ts";
import { startToyDaemon, type TestDaemon, until } from "../helpers/daemon.ts";
import { memoryGroupFor } from "../helpers/memory-cgroup.ts";
import { removeRun, startRun, untilPrinted } from "../helpers/native-runs.ts";
import { CellStream } from "../unit/kernels/cell-client.ts";
import { followFeed } from "./feed-client.ts";

const MIB = 2 ** 20;

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startToyDaemon();
});
afterAll(() => daemon[Symbol.asyncDispose]());

const scrape = async (): Promise<string> => (await daemon.fetch("/metrics?format=prometheus")).text();

/** Value of a line that has these labels, if there is one. */
async function value(name: string, labels: Record<string, string> = {}): Promise<number | undefined> {
  const family = parse(await scrape()).find((one) => one.name === name);
  const found = family?.metrics.find((point) =>
    Object.entries(labels).every(([label, wanted]) => point.labels?.[label] === wanted),
  );
  return found?.value === undefined ? undefined : Number(found.value);
}

describe("the figures in JSON", () => {
  test("are the contract's, all of them and no others", async () => {
    const response = await daemon.fetch("/metrics");
    expect(response.headers.get("cache-control")).toBe("no-store");
    expect(response.headers.get("content-type")).toBe("application/json");
    const figures = (await response.json()) as Record<string, number>;
    expect(Object.keys(figures).toSorted()).toEqual([
      "cpu_count",
      "cpu_used_pct",
      "disk_total",
      "disk_used",
      "mem_cache",
      "mem_total",
      "mem_total_mib",
      "mem_used",
      "mem_used_mib",
      "ts",
    ]);
    expect(Object.values(figures).every((one) => Number.isFinite(one) && one >= 0)).toBe(true);
    expect(figures["cpu_used_pct"]).toBeLessThanOrEqual(100);
    expect(figures["mem_used"]).toBeLessThan(figures["mem_total"] ?? 0);
    expect(figures["mem_total_mib"]).toBe(Math.floor((figures["mem_total"] ?? 0) / MIB));
  });

  test("are what curl, browsers and clients without an Accept header get", async () => {
    for (const accept of ["*/*", "text/html,application/xhtml+xml,*/*;q=0.8", "application/json, text/plain, */*"]) {
      const response = await daemon.fetch("/metrics", { headers: { Accept: accept } });
      expect([accept, response.headers.get("content-type")]).toEqual([accept, "application/json"]);
    }
  });
});

describe("the figures for Prometheus", () => {
  test("come for its Accept header, for text/plain and for ?format=prometheus", async () => {
    const scraper = "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.5,*/*;q=0.2";
    for (const [path, accept] of [
      ["/metrics", scraper],
      ["/metrics", "text/plain"],
      ["/metrics?format=prometheus", "*/*"],
    ] as const) {
      const response = await daemon.fetch(path, { headers: { Accept: accept } });
      expect(response.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
      expect(await response.text()).toContain("# TYPE sandbox_memory_total_bytes gauge\n");
    }
    const json = await daemon.fetch("/metrics?format=json", { headers: { Accept: "text/plain" } });
    expect(json.headers.get("content-type")).toBe("application/json");
    expect((await daemon.fetch("/metrics?format=xml")).status).toBe(400);
  });

  test("are taken by a parser of that format, with every family that is promised", async () => {
    const names = parse(await scrape()).map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(names).toEqual(
      expect.arrayContaining([
        "sandbox_cpus",
        "sandbox_cpu_used_ratio",
        "sandbox_cpu_seconds_total",
        "sandbox_memory_used_bytes",
        "sandbox_disk_used_bytes",
        "sandbox_processes",
        "sandbox_zombies",
        "guestd_open_descriptors",
        "guestd_resident_memory_bytes",
        "guestd_watched_directories",
        "guestd_watched_directories_limit",
        "guestd_live_runs",
        "guestd_contexts",
        "guestd_context_queued_cells",
        "guestd_http_request_duration_seconds",
        "guestd_http_responses_total",
      ]),
    );
  });

  test("count runs that live, each with its output and memory, until they end", async () => {
    const { id: run } = await startRun(daemon.url, { cmd: "sh", args: ["-c", "printf hello; exec sleep 600"] });
    await untilPrinted(daemon.url, run, /hello/);
    expect(await value("guestd_run_output_bytes", { run })).toBe(5);
    await until(async () => ((await value("guestd_run_resident_memory_bytes", { run, kind: "command" })) ?? 0) > 0);
    expect(await value("guestd_live_runs", { kind: "command" })).toBe(1);
    await removeRun(daemon.url, run);
    expect(await value("guestd_run_output_bytes", { run })).toBeUndefined();
    expect(await value("guestd_live_runs", { kind: "command" })).toBe(0);
  });

  test("tell of the default context: its cells, how long it had none, and the memory of its kernel", async () => {
    const labels = { language: "toy" };
    const before = performance.now();
    const stream = await CellStream.open(daemon.interpreterUrl, { language: "toy", code: "print up\nsleep 60000" });
    await stream.until(({ type }) => type === "stdout");
    expect(await value("guestd_context_queued_cells", labels)).toBe(1);
    expect(await value("guestd_context_idle_seconds", labels)).toBe(0);
    stream.destroy();
    await until(async () => (await value("guestd_context_queued_cells", labels)) === 0);
    expect(await value("guestd_context_idle_seconds", labels)).toBeGreaterThan(0);
    expect(await value("guestd_context_idle_seconds", labels)).toBeLessThan((performance.now() - before) / 1000);
    await until(async () => ((await value("guestd_context_resident_memory_bytes", labels)) ?? 0) > 0);
  });

  test("count directories that the kernel watches, and who has ended without being asked for a status", async () => {
    const directory = mkdtempSync(join(tmpdir(), "guestd-metrics-"));
    expect(await value("guestd_watched_directories")).toBe(0);
    {
      using feed = await followFeed(`${daemon.url}/v1/watch?path=${directory}`);
      expect(await feed.next()).toMatchObject({ type: "ready", mode: "inotify" });
      expect(await value("guestd_watched_directories")).toBe(1);
    }
    rmSync(directory, { recursive: true });
    const { id } = await startRun(daemon.url, { cmd: "sh", args: ["-c", "true & exec sleep 600"] });
    await until(async () => ((await value("sandbox_zombies")) ?? 0) > 0);
    await removeRun(daemon.url, id);
  });

  test("tell how many descriptors guestd may have", async () => {
    const limit = /^Max open files +(\d+)/m.exec(readFileSync("/proc/self/limits", "latin1"))?.[1];
    expect(await value("guestd_max_descriptors")).toBe(Number(limit));
    expect(await value("guestd_open_descriptors")).toBeLessThan(Number(limit));
  });

  test("tell that the event loop stood still", async () => {
    await scrape();
    // Longer than from one look at it to the next.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1300);
    await until(async () => ((await value("guestd_event_loop_lag_seconds")) ?? 0) >= 0.3);
  });

  test("have one label for all paths that nobody serves", async () => {
    for (const path of ["/a", "/b", "/v1/nothing"]) await daemon.fetch(path);
    expect(await scrape()).toMatch(/guestd_http_request_duration_seconds_count\{method="any",route="none"\} \d+\n/);
    expect(await scrape()).not.toContain("/v1/nothing");
  });
});

test("a memory cgroup of 256 MiB is all the memory there is, and counts its programs", async (context) => {
  await using group = memoryGroupFor(context, 256 * MIB);
  await using small = await startBuiltDaemon({ argv: ["--kernels", "bash", "--spare-kernels", "0"] });
  writeFileSync(group.procsFile, String(small.pid));
  const figures = async (): Promise<Record<string, number>> =>
    (await fetch(`${small.url}/metrics`)).json() as Promise<Record<string, number>>;
  expect(await figures()).toMatchObject({ mem_total: 256 * MIB, mem_total_mib: 256 });
  expect((await figures())["mem_used"]).toBeLessThan(100 * MIB);
  const script = "held = b'x' * (100 << 20); print('held', flush=True); input()";
  const { id } = await startRun(small.url, { cmd: "/usr/bin/python3", args: ["-c", script], stdin: true });
  await untilPrinted(small.url, id, /held/);
  await until(async () => ((await figures())["mem_used"] ?? 0) > 100 * MIB, 20_000);
  const text = await (await fetch(`${small.url}/metrics?format=prometheus`)).text();
  expect(text).toContain(`sandbox_memory_total_bytes ${256 * MIB}\n`);
});
