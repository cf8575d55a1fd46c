import { setTimeout as pause } from "node:timers/promises";
import type { CodePlace, CodeSession } from "../lib/code-place.ts";
import { startJupyter } from "../lib/jupyter.ts";
import { startOwnContexts } from "../lib/own-contexts.ts";
import { descendantsOf, memoryOf } from "../lib/process-figures.ts";
import { report } from "../lib/report.ts";

const MORE = 5;
const MB = 1e6;
/** What is loaded ahead of time and what is kept ready is there by then. */
const SETTLE_MS = 4000;

/** What guestd and all its kernels hold, each page counted once. */
export async function benchMemory(): Promise<void> {
  const ours = await measure(await startOwnContexts());
  const theirs = await measure(await startJupyter(), 2);
  report({
    what: "memory (PSS) of all processes with the two default contexts",
    unit: "MB",
    ours: ours.baseBytes / MB,
    bare: theirs.baseBytes / MB,
    target: { on: "ours", atMost: 220 },
    usual: "263 MB",
    note: "spare kernels, where a language keeps any, and the loaded fork server included; bare: a Jupyter server with two kernels",
  });
  report({
    what: "memory of each further Python context, after a cell",
    unit: "MB",
    ours: ours.eachBytes / MB,
    bare: theirs.eachBytes / MB,
    target: { on: "ours", atMost: 10 },
    usual: "52 MB",
    note: `${MORE} of them`,
  });
}

async function measure(place: CodePlace, openFirst = 0): Promise<{ baseBytes: number; eachBytes: number }> {
  await using _place = place;
  await using sessions = new AsyncDisposableStack();
  const open = async (): Promise<CodeSession> => sessions.use(await place.open());
  for (let index = 0; index < openFirst; index += 1) await (await open()).run("1 + 1");
  await pause(SETTLE_MS);
  const baseBytes = treePss(place.pid);
  for (let index = 0; index < MORE; index += 1) await (await open()).run("1 + 1");
  await pause(SETTLE_MS);
  return { baseBytes, eachBytes: (treePss(place.pid) - baseBytes) / MORE };
}

/** Memory of a process and all it has started. */
export function treePss(pid: number): number {
  return [pid, ...descendantsOf(pid)].reduce((sum, each) => sum + memoryOf(each).pssBytes, 0);
}
