export type { ExitStatus, SignalName, Usage } from "../host/child.ts";
export type { Environment } from "../host/env.ts";
export type { TerminalSize } from "../host/pty.ts";
export type { SignalReport, SignalScope } from "../host/process-group.ts";
export type { DeadlineLimits } from "../runs/deadlines.ts";
export type { Ending, RunEnd } from "../runs/ending.ts";
export type { IdempotentStarts } from "../runs/idempotent-starts.ts";
export type { LogChunk, LogOffsets, LogStream } from "../runs/log-block.ts";
export type { LogOverflow } from "../runs/log-store.ts";
export type { LogStart } from "../runs/log-start.ts";
export type { Run, RunKind } from "../runs/run.ts";
export { endView, runView, statusLine } from "../runs/run-view.ts";

/** Picks a process by its id or by the tag it was started with; of several with one tag, the newest. */
export type Selector = { pid: number } | { tag: string };
