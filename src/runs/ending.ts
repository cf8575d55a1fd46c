import {
  type ChildExit,
  type ExitStatus,
  type PipeHolder,
  type SignalName,
  UNKNOWN_USAGE,
  type Usage,
} from "../host/child.ts";

/** A limit that a run was given: on its whole time, on the time without output, on the time until its first output. */
export type DeadlineKind = "wall" | "idle" | "start";

/**
 * Why a run is over. Exactly one per run, and never invented: without a known status it is `lost`.
 * `finished` is a code cell whose kernel lives on: it has no exit code.
 */
export type Ending =
  | { type: "exited"; code: number }
  | { type: "signaled"; signal: SignalName; coreDumped: boolean }
  | { type: "finished"; status: "ok" | "error" | "interrupted" }
  | { type: "timeout"; which: DeadlineKind }
  | { type: "oom"; certainty: "certain" | "likely" }
  | { type: "cancelled"; by: string }
  | { type: "spawn_failed"; message: string }
  | { type: "lost"; message: string };

/** What came of asking a code cell to stop before its time. */
export interface Interruption {
  /** `finished`: it ended by itself, before it was reached or in spite of it; `ignored`: it goes on; `killed`: with its kernel. */
  outcome: "interrupted" | "finished" | "ignored" | "killed";
  /** Whether the kernel's variables, and whatever else it holds, are still there. */
  isStateKept: boolean;
}

/** The end of a run: why, with what status, at what cost. Immutable, readable until the run is forgotten. */
export interface RunEnd {
  ending: Ending;
  /** What the kernel reported of the program itself, whatever the reason; undefined where there is none. */
  exit: ExitStatus | undefined;
  usage: Usage;
  pipesHeldBy: readonly PipeHolder[];
  /** Of a code cell that was asked to stop. */
  interruption?: Interruption | undefined;
  endedAt: Date;
}

/** The end of a run whose program ended; `reason` is why we ended it, if we did. */
export function endOf(exit: ChildExit, reason: Ending | undefined): RunEnd {
  return {
    ending: reason ?? endingOf(exit.status),
    exit: exit.status,
    usage: exit.usage,
    pipesHeldBy: exit.pipesHeldBy,
    endedAt: new Date(),
  };
}

/** The end of a run that has no program of its own, or never got one. */
export function endWithoutProgram(ending: Ending, wallMs: number, interruption?: Interruption): RunEnd {
  const usage = { wallMs, ...UNKNOWN_USAGE };
  return { ending, exit: undefined, usage, pipesHeldBy: [], interruption, endedAt: new Date() };
}

function endingOf(status: ExitStatus | undefined): Ending {
  if (!status) return { type: "lost", message: "the shim that watched the program was killed" };
  if ("code" in status) return { type: "exited", code: status.code };
  return { type: "signaled", ...status };
}
