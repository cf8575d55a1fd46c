// A daemon of the sources in this process, with a clock on its event loop; see processes/loop.ts.
import { performance } from "node:perf_hooks";
import { readConfig } from "../../src/config.ts";
import { startDaemon } from "../../src/daemon.ts";
import { Launcher } from "../../src/host/launcher.ts";
import { createLogger, descriptorSink } from "../../src/log.ts";
import { ROOT } from "./built-daemon.ts";

/** What became of the event loop since the last time it was asked. */
export interface LoopFigures {
  /** Of each start: how long `Launcher.start` kept the event loop before it first let go of it, in ms. */
  blockedMs: number[];
  /** Time the event loop was not waiting, in ms. */
  activeMs: number;
}

let blockedMs: number[] = [];
// oxlint-disable-next-line typescript/unbound-method -- called with the right `this` below
const { start } = Launcher.prototype;
Launcher.prototype.start = function timed(this: Launcher, ...args: Parameters<Launcher["start"]>) {
  const began = performance.now();
  const started = start.apply(this, args);
  blockedMs.push(performance.now() - began);
  return started;
};

const config = readConfig({
  root: ROOT,
  argv: ["--host", "127.0.0.1", "--port", "0", "--interpreter-port", "off", "--kernels", ""],
  env: { PATH: process.env["PATH"], HOME: process.env["HOME"] },
  isTerminal: false,
});
const sink = descriptorSink(2);
const daemon = await startDaemon(
  config,
  createLogger({ level: "info", format: "json", write: (line) => sink.write(line) }),
);

let before = performance.eventLoopUtilization();
process.on("message", () => {
  const now = performance.eventLoopUtilization();
  process.send?.({ blockedMs, activeMs: now.active - before.active } satisfies LoopFigures);
  blockedMs = [];
  before = performance.eventLoopUtilization();
});
process.once("disconnect", () => {
  void daemon[Symbol.asyncDispose]().then(() => process.exit(0));
});
process.send?.(daemon.ports[0]);
