import type { Usage } from "../host/child.ts";
import type { Ending, Interruption, RunEnd } from "./ending.ts";
import { LOG_STREAMS } from "./log-block.ts";
import type { Run } from "./run.ts";

/** The end of a run in plain words and numbers; all null while it runs. */
export function endView(end: RunEnd | undefined):
  | {
      ending: Ending["type"] | null;
      exitCode: number | null;
      signal: string | null;
      detail?: string;
      usage: Record<keyof Pick<Usage, "wallMs" | "userMs" | "systemMs" | "maxRssBytes">, number> & { source: string };
      pipesHeldBy?: { pid: number; command: string }[];
      interruption?: ReturnType<typeof interruptionView>;
    }
  | { ending: null; exitCode: null; signal: null; usage: null } {
  if (!end) return { ending: null, exitCode: null, signal: null, usage: null };
  const { ending, pipesHeldBy, interruption } = end;
  const { wallMs, userMs, systemMs, maxRssBytes, source } = end.usage;
  const detail = detailOf(ending);
  // A program that we ended may still have exited by itself in the same moment: its code is told only when that was the reason.
  return {
    ending: ending.type,
    exitCode: ending.type === "exited" ? ending.code : null,
    signal: signalOf(end) ?? null,
    ...(detail !== undefined && { detail }),
    usage: { wallMs: Math.round(wallMs * 100) / 100, userMs, systemMs, maxRssBytes, source },
    ...(pipesHeldBy.length > 0 && { pipesHeldBy: [...pipesHeldBy] }),
    ...(interruption && { interruption: interruptionView(interruption) }),
  };
}

/** What came of asking a cell to stop. */
export function interruptionView({ outcome, isStateKept }: Interruption): {
  outcome: Interruption["outcome"];
  stateKept: boolean;
} {
  return { outcome, stateKept: isStateKept };
}

/** A run as `GET /v1/runs/{id}` shows it. */
export function runView(run: Run): Record<string, unknown> {
  const { kind, cmd, args, cwd, user, tag, pid, startedAt, end } = run.state;
  const { ends, oldest } = run.log;
  const used = LOG_STREAMS.filter((stream) => ends[stream] > 0);
  return {
    id: run.id,
    kind,
    state: end ? "ended" : "running",
    pid: pid ?? null,
    cmd,
    args,
    cwd: cwd ?? null,
    user,
    tag: tag ?? null,
    startedAt: startedAt.toISOString(),
    endedAt: end?.endedAt.toISOString() ?? null,
    ...endView(end),
    log: Object.fromEntries(used.map((stream) => [stream, { oldest: oldest[stream], end: ends[stream] }])),
  };
}

/** The last line of a raw stream that was asked for its status. */
export function statusLine(end: RunEnd): string {
  const { ending } = end;
  if (ending.type === "exited") return `exit code ${ending.code}`;
  if (ending.type === "signaled") return `signal ${ending.signal}`;
  const detail = detailOf(ending);
  return detail === undefined ? ending.type : `${ending.type} ${detail}`;
}

/** The signal that ended the program. A cell has none, but that of its kernel may have ended the cell. */
function signalOf({ ending, exit }: RunEnd): string | undefined {
  if (ending.type === "signaled") return ending.signal;
  return exit && "signal" in exit ? exit.signal : undefined;
}

function detailOf(ending: Ending): string | undefined {
  switch (ending.type) {
    case "timeout":
      return ending.which;
    case "oom":
      return ending.certainty;
    case "cancelled":
      return ending.by;
    case "spawn_failed":
    case "lost":
      return ending.message;
    case "finished":
      return ending.status;
    case "exited":
    case "signaled":
      return undefined;
  }
}
