import type { TerminalSize } from "../host/pty.ts";

export type { TerminalSize } from "../host/pty.ts";
export type { SignalScope } from "../host/process-group.ts";
export type { DeadlineLimits } from "../runs/deadlines.ts";
export type { LogStart } from "../runs/log-start.ts";
export type { Run } from "../runs/run.ts";
export { endView } from "../runs/run-view.ts";

/** Somebody who looks at a terminal. */
export interface Viewer {
  /** Aborts when they are gone. */
  readonly signal: AbortSignal;
  /** Resolves when they can take more. */
  output(bytes: Uint8Array): Promise<void>;
  resized: (size: TerminalSize) => void;
}
