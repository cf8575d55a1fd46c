import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import type { Memory } from "../../../src/host/memory.ts";
import { namespaceFor } from "../../helpers/namespaces.ts";
import { startObserver } from "../../helpers/observer.ts";

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

/** A sample whose memory is told by `source`, one of the module's. */
const sampleOf = (source: string): { file: string; expression: string } => ({
  file: "metrics/sample.ts",
  expression: `host.takeSample([host.lookAtCpu(), host.lookAtCpu()], [], host.${source})`,
});
const SAMPLE = sampleOf("libraryMemory");
const SOURCES = ["ownMemory", "libraryMemory"];

test("a sample starts no program", async () => {
  // Each way to start one is noted from before a sample loads anything.
  const setUp = `
    const programs = require("node:child_process");
    const started = [];
    for (const name of ["exec", "execFile", "fork", "spawn", "execSync", "execFileSync", "spawnSync"]) {
      const real = programs[name];
      programs[name] = (...args) => (started.push([name, args[0]]), real(...args));
    }`;
  const expression = `${SAMPLE.expression}.then((sample) => ({ started, ...sample }))`;
  expect(await startObserver({ ...SAMPLE, setUp, expression }).look()).toMatchObject({
    started: [],
    memory: { total: expect.any(Number), used: expect.any(Number), cache: expect.any(Number) },
  });
});

test("the first sample, which a request waits for, does without the library", async () => {
  const sample = sampleOf("ownMemory");
  const loaded = 'Object.keys(require.cache).filter((file) => file.includes("systeminformation"))';
  const expression = `${sample.expression}.then(({ memory }) => ({ memory, loaded: ${loaded} }))`;
  expect(await startObserver({ ...sample, expression }).look()).toEqual({
    memory: { total: expect.any(Number), used: expect.any(Number), cache: expect.any(Number) },
    loaded: [],
  });
});

test.for(SOURCES)(
  "the machine's memory for files is without the kernel's own caches, as a cgroup's is: %s",
  async (source, context) => {
    const mounts = namespaceFor(context, "--mount");
    const folder = mkdtempSync(join(tmpdir(), "guestd-meminfo-"));
    folders.push(folder);
    const lines = {
      MemTotal: 900,
      MemFree: 100,
      MemAvailable: 500,
      Buffers: 20,
      Cached: 300,
      Slab: 70,
      SReclaimable: 60,
    };
    const meminfo = Object.entries(lines).map(([name, kilobytes]) => `${name}: ${kilobytes} kB\n`);
    writeFileSync(join(folder, "meminfo"), meminfo.join(""));
    const show = 'mount --bind "$0" /proc/meminfo && exec "$@"';
    const through = [...mounts, "sh", "-c", show, join(folder, "meminfo")];
    const { memory } = (await startObserver({ ...sampleOf(source), through }).look()) as { memory: Memory };
    expect(memory).toEqual({ total: 900 * 1024, used: 400 * 1024, cache: 320 * 1024 });
  },
);
