// A daemon of the sources in a process of its own, which answers questions about itself over IPC.
// Started by forked-daemon.ts with --expose-gc; its arguments are the daemon's.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { readConfig } from "../../src/config.ts";
import { startDaemon } from "../../src/daemon.ts";
import { returnFreeMemory } from "../../src/host/libc.ts";
import { createLogger } from "../../src/log.ts";
import type { Answer, Question } from "./forked-daemon.ts";

const REPOSITORY = join(import.meta.dirname, "..", "..");

const counts: Record<string, number> = {};
const troubles: string[] = [];

/** Lines are counted, not kept: what is kept would look like a leak. */
function takeLine(text: string): void {
  const line = JSON.parse(text) as { event: string; level: string };
  counts[line.event] = (counts[line.event] ?? 0) + 1;
  if ((line.level === "error" || line.event === "bug") && troubles.length < 100) troubles.push(text.trim());
}

const log = createLogger({ level: "info", format: "json", write: takeLine });
const report = (error: unknown): void => {
  log.error("bug", { error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
};
process.on("uncaughtException", report).on("unhandledRejection", report);

const root = mkdtempSync(join(tmpdir(), "guestd-forked-root-"));
symlinkSync(join(REPOSITORY, "dist"), join(root, "dist"));
writeFileSync(join(root, "package.json"), readFileSync(join(REPOSITORY, "package.json")));
if (process.env["GUESTD_TEST_KERNELS"] === "real") symlinkSync(join(REPOSITORY, "kernels"), join(root, "kernels"));
else mkdirSync(join(root, "kernels"));
process.on("exit", () => rmSync(root, { recursive: true, force: true }));

const config = readConfig({
  root,
  argv: ["--port", "0", "--interpreter-port", "off", ...process.argv.slice(2)],
  env: { PATH: process.env["PATH"], HOME: process.env["HOME"] },
  isTerminal: false,
});
const daemon = await startDaemon(config, log);
const collect = globalThis.gc;
if (!collect) throw new Error("start this with --expose-gc");

/** What is garbage is gone afterwards, and the pages it lay in are given back. */
async function forceCollection(): Promise<void> {
  for (let round = 0; round < 3; round += 1) {
    await turn(); // what finishes its work in this turn is garbage in the next
    await collect?.({ type: "major", execution: "async", flavor: "last-resort" });
  }
  await returnFreeMemory();
}

async function answer({ id, ask }: Question): Promise<void> {
  const reply: Answer = { id };
  if (ask === "memory") {
    await forceCollection();
    const { rss, heapUsed, external } = process.memoryUsage();
    reply.memory = { rss, heapUsed, external };
  } else if (ask === "log") {
    reply.log = { counts, troubles };
  } else {
    await daemon[Symbol.asyncDispose]();
  }
  process.send?.(reply);
  if (ask === "stop") process.disconnect();
}

process.on("message", (question: Question) => {
  answer(question).catch(report);
});
// Whoever started us is gone: nobody would ever stop us.
process.on("disconnect", () => process.exit());
process.send?.({ id: 0, port: daemon.ports[0] ?? 0 } satisfies Answer);
