import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

/** Where guestd is: the folder of `dist` and `bench`. */
export const ROOT = join(import.meta.dirname, "..", "..");

const LISTENING = ["--host", "127.0.0.1", "--port", "0", "--interpreter-port", "off", "--log-format", "json"];
const START_MS = 30_000;
/** The daemon itself is gone 4.8 s after SIGTERM. */
const STOP_MS = 6000;

/** `dist/main.js` in a process of its own, as users have it. Disposing it ends it and waits for that. */
export interface BuiltDaemon extends AsyncDisposable {
  readonly pid: number;
  readonly port: number;
}

export interface BuiltDaemonOptions {
  argv?: readonly string[];
  /** Flags of Node itself. */
  nodeArgv?: readonly string[];
  /** Offers code contexts, as by default; most benches measure without their kernels. */
  hasKernels?: boolean;
  /** Folder of an unpacked artefact, whose launcher is started instead. */
  installed?: string;
}

/** Starts a daemon on a free port of the loopback, its log going to a file as it would to a log collector. */
export async function startBuiltDaemon(options: BuiltDaemonOptions = {}): Promise<BuiltDaemon> {
  const { argv = [], nodeArgv = [], hasKernels = false, installed } = options;
  const directory = mkdtempSync(join(tmpdir(), "guestd-bench-"));
  const logFile = join(directory, "log");
  const logFd = openSync(logFile, "a");
  const [program, ...before] = installed
    ? [join(installed, "bin", "guestd")]
    : [
        process.execPath,
        "--disable-sigusr1",
        "--max-semi-space-size=4",
        "--v8-pool-size=1",
        ...nodeArgv,
        join(ROOT, "dist", "main.js"),
      ];
  const child = spawn(program, [...before, ...LISTENING, ...(hasKernels ? [] : ["--kernels", ""]), ...argv], {
    cwd: "/",
    stdio: ["ignore", "ignore", logFd],
  });
  closeSync(logFd);
  const stop = async (): Promise<void> => {
    await end(child);
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    const port = await listeningPort(child, logFile);
    return { pid: child.pid ?? 0, port, [Symbol.asyncDispose]: stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function listeningPort(child: ChildProcess, logFile: string): Promise<number> {
  const deadline = performance.now() + START_MS;
  while (performance.now() < deadline) {
    const log = readFileSync(logFile, "utf8");
    const line = log.split("\n").find((text) => text.includes('"event":"listening"'));
    if (line) return Number(String((JSON.parse(line) as { ports: unknown }).ports).split(",")[0]);
    if (child.exitCode !== null || child.signalCode) throw new Error(`the daemon ended: ${log}`);
    await pause(10);
  }
  throw new Error(`the daemon does not listen after ${START_MS} ms`);
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
  await exited;
  clearTimeout(timer);
}
