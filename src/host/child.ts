import { constants } from "node:os";
import type { Terminal } from "./pty.ts";

/** A signal by its usual name, `SIGTERM`. */
export type SignalName = NodeJS.Signals;

export type OutputStream = "stdout" | "stderr" | "pty";

/** How a program ended, as the kernel reported it. */
export type ExitStatus = { code: number } | { signal: SignalName; coreDumped: boolean };

/** What a program used, with all children it waited for. */
export interface Usage {
  wallMs: number;
  userMs: number;
  systemMs: number;
  maxRssBytes: number;
  minorFaults: number;
  majorFaults: number;
  /** 512-byte blocks, as getrusage(2) counts them. */
  blocksRead: number;
  blocksWritten: number;
  voluntarySwitches: number;
  involuntarySwitches: number;
  /** Where the figures come from: the wait4(2) of the program's own parent, or nothing but the clock. */
  source: "wait4" | "clock";
}

/** What is known of a program's use when nobody could ask the kernel. */
export const UNKNOWN_USAGE: Omit<Usage, "wallMs"> = {
  userMs: 0,
  systemMs: 0,
  maxRssBytes: 0,
  minorFaults: 0,
  majorFaults: 0,
  blocksRead: 0,
  blocksWritten: 0,
  voluntarySwitches: 0,
  involuntarySwitches: 0,
  source: "clock",
};

/** A process that still holds an output pipe of a program that has ended. */
export interface PipeHolder {
  pid: number;
  command: string;
}

/** The end of a program, after its output was drained. */
export interface ChildExit {
  /** Undefined when the shim was lost and with it the answer. */
  status: ExitStatus | undefined;
  usage: Usage;
  /** Who still holds the output pipes: what they write later is still delivered. */
  pipesHeldBy: readonly PipeHolder[];
}

/**
 * A started program with everything it starts in turn.
 * Ends by itself or by signals; disposing gives its descriptors back and touches no process.
 */
export interface Child extends Disposable {
  readonly pid: number;
  /** The shim: every process of the program's tree is a descendant of it. */
  readonly shimPid: number;
  /** Resolves when the program itself has ended and its output is drained; never rejects. */
  readonly exit: Promise<ChildExit>;
  /** Resolves when nothing that the program started is left. */
  readonly gone: Promise<void>;
  readonly hasEnded: boolean;
  /** Undefined for a program on pipes. */
  readonly terminal: Terminal | undefined;
  /** @throws SandboxError failed_precondition (closed, or no input), resource_exhausted (the program does not read) */
  writeInput(bytes: Uint8Array): Promise<void>;
  /** End of file after what was written. Idempotent. @throws SandboxError failed_precondition for a terminal */
  closeInput(): void;
  /** Reads on after a sink said no. */
  resumeOutput(): void;
}

/** Receives output; the bytes are only valid during the call. Returns false to stop reading until `resumeOutput()`. */
export type OutputSink = (stream: OutputStream, bytes: Uint8Array) => boolean;

const NAME_BY_NUMBER = new Map(
  (Object.entries(constants.signals) as [SignalName, number][]).toReversed().map(([name, number]) => [number, name]),
);

/** Decodes the status word of wait(2). */
export function decodeWaitStatus(status: number): ExitStatus {
  const signal = status & 0x7f;
  if (signal === 0) return { code: (status >> 8) & 0xff };
  return { signal: signalName(signal), coreDumped: (status & 0x80) !== 0 };
}

/** `SIGTERM` for 15; real-time signals as `SIGRTMIN+n`. */
export function signalName(number: number): SignalName {
  return NAME_BY_NUMBER.get(number) ?? (`SIGRTMIN+${number - 34}` as SignalName);
}
