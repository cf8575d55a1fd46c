import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { residentMemory } from "../../../src/host/process-count.ts";
import { namespaceFor } from "../../helpers/namespaces.ts";
import { startObserver } from "../../helpers/observer.ts";

const FILE = "host/process-count.ts";

describe("processes", () => {
  test("are counted with those whose status nobody has asked for", async (context) => {
    const processes = namespaceFor(context, "--pid", "--fork", "--mount-proc");
    // Alone in its namespace, with a child of the shell that it was before.
    const through = [...processes, "sh", "-c", 'true & exec "$0" "$@"'];
    const setUp = `while (!require("node:fs").readFileSync("/proc/2/stat", "latin1").includes(") Z "));`;
    const observer = startObserver({ file: FILE, expression: "host.countProcesses()", setUp, through });
    expect(await observer.look()).toEqual({ processes: 2, zombies: 1 });
  });
});

describe("descriptors", () => {
  test("are counted without that of the counting, and with their limit", async () => {
    const expression = `host.countDescriptors().then(async (before) => {
      const fs = require("node:fs");
      for (let count = 0; count < 3; count += 1) fs.openSync("/dev/null");
      return { before, names: fs.readdirSync("/proc/self/fd").length - 1, after: await host.countDescriptors() };
    })`;
    const through = ["prlimit", "--nofile=333"];
    const { before, names, after } = (await startObserver({ file: FILE, expression, through }).look()) as Record<
      string,
      unknown
    >;
    expect(after).toEqual({ open: names, limit: 333 });
    expect(before).toEqual({ open: Number(names) - 3, limit: 333 });
  });
});

describe("memory in RAM", () => {
  test("is told of each process that is there", async () => {
    const child = spawn("sleep", ["600"], { stdio: "ignore" });
    await once(child, "spawn");
    const pid = child.pid ?? 0;
    const sizes = await residentMemory([pid, process.pid]);
    child.kill();
    await once(child, "exit");
    expect([...sizes.keys()]).toEqual([pid, process.pid]);
    expect(sizes.get(process.pid)).toBeGreaterThan(sizes.get(pid) ?? Infinity);
    expect(await residentMemory([pid])).toEqual(new Map());
  });

  test("is that of all, however many", async () => {
    const pids = Array.from({ length: 230 }, () => process.pid);
    const [[pid, bytes] = []] = await residentMemory(pids);
    const kilobytes = Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "latin1"))?.[1]);
    expect(pid).toBe(process.pid);
    expect(bytes).toBeLessThanOrEqual(kilobytes * 1024);
  });
});
