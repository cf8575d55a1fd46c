import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { REPOSITORY } from "../../helpers/daemon.ts";

export const MAIN = join(REPOSITORY, "dist", "main.js");
/** A small environment: nothing of the test's own settings gets in. */
export const ENV = { PATH: process.env["PATH"] ?? "", HOME: process.env["HOME"] ?? "/" };
export const QUICK = ["--port", "0", "--interpreter-port", "off", "--kernels="];

export interface Finished {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Runs the command line to its end. */
export function run(argv: readonly string[], env: Record<string, string> = {}): Finished {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...argv], {
    env: { ...ENV, ...env },
    encoding: "utf8",
    timeout: 50_000,
  });
  return { code: status, stdout, stderr };
}

export interface Served {
  child: ChildProcess;
  pid: number;
  url: string;
  lines: string[];
  exited: Promise<[code: number | null, signal: string | null]>;
}

const running = new Set<ChildProcess>();
/** Ends the daemons that a test left running; politely, since one that is killed cannot take its directory away. */
export async function endServed(): Promise<void> {
  await Promise.all(
    [...running].map(async (child) => {
      child.kill("SIGTERM");
      await once(child, "exit");
    }),
  );
}

/** Starts a daemon and waits until it says that it listens. */
export async function serve(
  argv: readonly string[] = [],
  env: Record<string, string> = {},
  [command, ...main]: readonly [string, ...string[]] = [process.execPath, MAIN],
): Promise<Served> {
  const child = spawn(command, [...main, ...QUICK, ...argv], {
    env: { ...ENV, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  running.add(child);
  const lines: string[] = [];
  const exited = once(child, "exit") as Served["exited"];
  void exited.then(() => running.delete(child));
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  void exited.then(() => reject(new Error(lines.join("\n"))));
  createInterface({ input: child.stderr }).on("line", (line) => {
    lines.push(line);
    const url = /"?url"?[=:]"(http:[^"]+)"/.exec(line)?.[1];
    if (url) resolve(url);
  });
  const url = new URL(await promise);
  return { child, pid: child.pid ?? 0, url: `http://127.0.0.1:${url.port}`, lines, exited };
}
