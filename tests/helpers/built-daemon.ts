import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { join } from "node:path";
import { REPOSITORY } from "./daemon.ts";

/** A daemon as users have it: the bundle in a process of its own. */
export interface BuiltDaemon extends AsyncDisposable {
  readonly pid: number;
  readonly url: string;
  readonly interpreterUrl: string;
  readonly log: Record<string, unknown>[];
}

export interface BuiltDaemonOptions {
  token?: string;
  argv?: readonly string[];
  /** Another installation, and the Node that runs it. */
  installation?: { root: string; node: string };
  /** Runs the daemon as that account, with its groups. */
  account?: { uid: number; gid: number; home: string };
}

/** Starts `dist/main.js` on free ports and waits until its default contexts exist. */
export async function startBuiltDaemon(options: BuiltDaemonOptions = {}): Promise<BuiltDaemon> {
  const { token, argv = [], installation = { root: REPOSITORY, node: process.execPath }, account } = options;
  const { env: ownEnv } = process;
  const main = [
    join(installation.root, "dist", "main.js"),
    "--port",
    "0",
    "--interpreter-port",
    "0",
    "--log-format",
    "json",
    ...argv,
  ];
  const command = [...(account ? asAccount(account) : []), installation.node, ...main] as [string, ...string[]];
  const env = account ? { PATH: "/usr/local/bin:/usr/bin:/bin", HOME: account.home } : ownEnv;
  const child = spawn(command[0], command.slice(1), {
    cwd: "/",
    stdio: ["ignore", "ignore", "pipe"],
    env: { ...env, ...(token && { GUESTD_TOKEN: token }) },
  });
  const log: Record<string, unknown>[] = [];
  const listening = Promise.withResolvers<Record<string, unknown>>();
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  void exited.then(() => listening.reject(new Error(`the daemon ended: ${JSON.stringify(log)}`)));
  createInterface({ input: child.stderr }).on("line", (text) => {
    const line = JSON.parse(text) as Record<string, unknown>;
    log.push(line);
    if (line["event"] === "listening") listening.resolve(line);
  });
  const [port, interpreterPort] = String((await listening.promise)["ports"]).split(",");
  const interpreterUrl = `http://localhost:${interpreterPort}`;
  while ((await fetch(`${interpreterUrl}/health`)).status !== 200)
    await new Promise((resolve) => setTimeout(resolve, 20));
  return {
    pid: child.pid ?? 0,
    url: `http://localhost:${port}`,
    interpreterUrl,
    log,
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await exited;
    },
  };
}

function asAccount({ uid, gid }: { uid: number; gid: number }): string[] {
  return ["setpriv", `--reuid=${uid}`, `--regid=${gid}`, "--init-groups", "--"];
}
