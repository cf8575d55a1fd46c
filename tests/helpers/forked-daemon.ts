import { fork } from "node:child_process";
import { readdirSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { descendantsOf } from "../../src/host/process-tree.ts";

export interface Question {
  id: number;
  ask: "memory" | "log" | "stop";
}

/** In bytes. */
export interface Memory {
  rss: number;
  heapUsed: number;
  external: number;
}

/** How many lines of each event the daemon has logged, and those that tell of bugs and errors. */
export interface LogSummary {
  counts: Record<string, number>;
  troubles: string[];
}

export interface Answer {
  id: number;
  port?: number;
  memory?: Memory;
  log?: LogSummary;
}

/** A daemon of the sources in a process of its own: what it holds is the daemon's and nobody else's. */
export interface ForkedDaemon extends AsyncDisposable {
  readonly pid: number;
  readonly port: number;
  readonly url: string;
  /** Memory after a forced collection. */
  memory(): Promise<Memory>;
  log(): Promise<LogSummary>;
  /** Ends it with SIGKILL: nothing of its own is cleaned up. Resolves when it is gone. */
  kill(): Promise<void>;
}

/** `within` is a command that executes the one behind it. */
export async function startForkedDaemon(
  argv: readonly string[] = [],
  options: { temporaryFolder?: string; within?: readonly [string, ...string[]]; hasKernels?: boolean } = {},
): Promise<ForkedDaemon> {
  const [command, ...rest] = options.within ?? [];
  const prefix = command === undefined ? [] : [...rest, process.execPath];
  const child = fork(join(import.meta.dirname, "daemon-child.ts"), [...argv], {
    ...(command && { execPath: command }),
    execArgv: [...prefix, "--expose-gc", "--disable-sigusr1"],
    stdio: ["ignore", "inherit", "inherit", "ipc"],
    env: {
      ...process.env,
      ...(options.temporaryFolder && { TMPDIR: options.temporaryFolder }),
      ...(options.hasKernels && { GUESTD_TEST_KERNELS: "real" }),
    },
  });
  const waiting = new Map<number, (answer: Answer) => void>();
  const gone = Promise.withResolvers<never>();
  gone.promise.catch(() => undefined); // without a question under way nobody needs to know
  const exited = new Promise<void>((resolve) => {
    child.once("exit", (code, signal) => {
      gone.reject(new Error(`the daemon is gone: ${signal ?? `exit code ${code}`}`));
      resolve();
    });
  });
  child.on("message", (answer: Answer) => {
    waiting.get(answer.id)?.(answer);
    waiting.delete(answer.id);
  });
  let lastId = 0;
  const answerTo = (id: number): Promise<Answer> =>
    Promise.race([new Promise<Answer>((resolve) => waiting.set(id, resolve)), gone.promise]);
  const ask = async (what: Question["ask"]): Promise<Answer> => {
    lastId += 1;
    const answer = answerTo(lastId);
    child.send({ id: lastId, ask: what } satisfies Question);
    return answer;
  };
  const { port = 0 } = await answerTo(0);
  return {
    pid: child.pid ?? 0,
    port,
    url: `http://127.0.0.1:${port}`,
    memory: async () => (await ask("memory")).memory ?? { rss: 0, heapUsed: 0, external: 0 },
    log: async () => (await ask("log")).log ?? { counts: {}, troubles: [] },
    async kill() {
      child.kill("SIGKILL");
      await exited;
    },
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) await ask("stop").catch(() => undefined);
      await exited;
    },
  };
}

/** What a process holds open, as `descriptor target`; two equal lists are the same files, pipes and sockets. */
export function descriptorsOf(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      return [`${fd} ${readlinkSync(`/proc/${pid}/fd/${fd}`)}`];
    } catch {
      return []; // closed while we looked
    }
  });
}

/** Everything a process has started that is still there, zombies included. */
export const leftoversOf = (pid: number): number[] => descendantsOf(pid);
