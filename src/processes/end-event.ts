import type { ExitStatus, RunEnd } from "./types.ts";

/** The end of a process as the wire contract words it. */
export interface EndEvent {
  exitCode: number;
  exited: boolean;
  status: string;
  error?: string;
}

/** The names strsignal(3) gives, in lower case, as the reference spells them. */
const SIGNAL_WORDS: Readonly<Partial<Record<NodeJS.Signals, string>>> = {
  SIGHUP: "hangup",
  SIGINT: "interrupt",
  SIGQUIT: "quit",
  SIGILL: "illegal instruction",
  SIGTRAP: "trace/breakpoint trap",
  SIGABRT: "aborted",
  SIGBUS: "bus error",
  SIGFPE: "floating point exception",
  SIGKILL: "killed",
  SIGUSR1: "user defined signal 1",
  SIGSEGV: "segmentation fault",
  SIGUSR2: "user defined signal 2",
  SIGPIPE: "broken pipe",
  SIGALRM: "alarm clock",
  SIGTERM: "terminated",
};

const DEADLINE = "context deadline exceeded";

/** Only a status that the kernel reported becomes an exit code; everything else is -1 with the reason as error. */
export function endEvent(end: RunEnd): EndEvent {
  if (end.exit) {
    const event = exitEvent(end.exit);
    // Time was up, and in that moment the program ended by itself, successfully.
    if (end.ending.type === "timeout" && event.exited && event.exitCode === 0) event.error = DEADLINE;
    return event;
  }
  const reason = "message" in end.ending ? end.ending.message : end.ending.type;
  return { exitCode: -1, exited: false, status: end.ending.type, error: reason };
}

function exitEvent(exit: ExitStatus): EndEvent {
  if ("code" in exit) {
    const status = `exit status ${exit.code}`;
    return { exitCode: exit.code, exited: true, status, ...(exit.code !== 0 && { error: status }) };
  }
  const words = SIGNAL_WORDS[exit.signal] ?? exit.signal;
  const status = `signal: ${words}${exit.coreDumped ? " (core dumped)" : ""}`;
  return { exitCode: -1, exited: false, status, error: status };
}
