import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setImmediate as turn } from "node:timers/promises";
import { expect, test } from "vitest";
import { IN, Inotify, inotifyRecords } from "../../../src/host/inotify.ts";

const ROUNDS = 50;
/** Of each round; the kernel's queue has room for 16 384. */
const CHANGES = 10_000;
/** For each line of input, changes a file in two ways in turn, so that no record is like the one before and merged with it. */
const CHANGE = `
const fs = require("node:fs");
const fd = fs.openSync(process.argv[1], "w");
require("node:readline").createInterface({ input: process.stdin }).on("line", () => {
  for (let i = 0; i < ${CHANGES}; i += 2) {
    fs.writeSync(fd, "x", 0);
    fs.fchmodSync(fd, 0o644);
  }
  console.log("done");
});
`;

test("a directory that is watched again and again loses no change meanwhile", { timeout: 120_000 }, async () => {
  const root = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "guestd-inotify-"));
  const child = spawn(process.execPath, ["-e", CHANGE, join(root, "file")], { stdio: ["pipe", "pipe", "inherit"] });
  const exited = once(child, "exit");
  try {
    using inotify = new Inotify(() => undefined);
    const watch = inotify.add(root);
    let told = 0;
    const readAll = (): void => {
      for (let bytes = inotify.read(); bytes; bytes = inotify.read()) {
        for (const { mask } of inotifyRecords(bytes)) if ((mask & (IN.MODIFY | IN.ATTRIB)) !== 0) told += 1;
      }
    };
    const done = createInterface({ input: child.stdout });
    for (let round = 0; round < ROUNDS; round += 1) {
      const over = new AbortController();
      done.once("line", () => over.abort()).once("close", () => over.abort());
      child.stdin.write("\n");
      while (!over.signal.aborted) {
        for (let i = 0; i < 50; i += 1) if (inotify.add(root) !== watch) throw new Error("another watch");
        readAll();
        await turn();
      }
      readAll();
    }
    expect(told).toBe(ROUNDS * CHANGES);
  } finally {
    child.stdin.end();
    await exited;
    rmSync(root, { recursive: true });
  }
});
