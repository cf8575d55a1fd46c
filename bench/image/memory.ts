import { setTimeout as pause } from "node:timers/promises";
import { treePss } from "../kernels/memory.ts";
import { startOwnContexts } from "../lib/own-contexts.ts";
import { memoryOf } from "../lib/process-figures.ts";
import { report } from "../lib/report.ts";
import { median } from "../lib/statistics.ts";
import { unpackArtefact } from "./artefact.ts";

const ROUNDS = 3;
const MB = 1e6;
/** What is loaded ahead of time and what is kept ready is there by then. */
const SETTLE_MS = 4000;

/** With both default contexts, and nothing asked of them. */
export async function benchMemory(): Promise<void> {
  using installed = unpackArtefact();
  const daemons: number[] = [];
  const trees: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    await using place = await startOwnContexts({ installed: installed.folder });
    await pause(SETTLE_MS);
    daemons.push(memoryOf(place.pid).rssBytes / MB);
    trees.push(treePss(place.pid) / MB);
  }
  const note = `${ROUNDS} fresh daemons, ${SETTLE_MS / 1000} s after both default contexts were ready`;
  report({
    what: "resident memory of the idle daemon (RSS)",
    unit: "MB",
    ours: median(daemons),
    target: { on: "ours", atMost: 80 },
    note,
  });
  report({
    what: "memory of all its processes with both default contexts (PSS)",
    unit: "MB",
    ours: median(trees),
    target: { on: "ours", atMost: 220 },
    note: "spare kernels and the loaded fork server included",
  });
}
