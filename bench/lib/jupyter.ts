import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { ROOT } from "./built-daemon.ts";
import type { CodePlace } from "./code-place.ts";
import { openJupyterSession } from "./jupyter-session.ts";

/** The packages that guestd's Python kernel has, in the same versions, so that a plot is the same work. */
const REQUIREMENTS = join(ROOT, "kernels", "python", "requirements.txt");
const VENV = join(ROOT, ".cache", "jupyter");
const START_MS = 60_000;
const STOP_MS = 6000;
/** Nothing is asked for, nothing held back: what is measured is the way of a cell and its output. */
const ARGV = [
  "--allow-root",
  "--no-browser",
  "--ip=127.0.0.1",
  "--port=0",
  "--IdentityProvider.token=",
  "--ServerApp.password=",
  "--ServerApp.disable_check_xsrf=True",
  "--ZMQChannelsWebsocketConnection.limit_rate=False",
];

/** A Jupyter server with ipykernel from PyPI, installed under `.cache` if it is not there yet. */
export async function startJupyter(): Promise<CodePlace> {
  install();
  const folder = mkdtempSync(join(tmpdir(), "guestd-bench-jupyter-"));
  const runtime = join(folder, "runtime");
  mkdirSync(runtime);
  const logFd = openSync(join(folder, "log"), "a");
  const child = spawn(join(VENV, "bin", "python"), ["-m", "jupyter_server", ...ARGV], {
    cwd: folder,
    env: { PATH: "/usr/bin:/bin", HOME: folder, LANG: "C.UTF-8", JUPYTER_RUNTIME_DIR: runtime },
    stdio: ["ignore", logFd, logFd],
  });
  closeSync(logFd);
  const stop = async (): Promise<void> => {
    await end(child);
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const port = await listeningPort(child, runtime);
    return { pid: child.pid ?? 0, open: () => openJupyterSession(port), [Symbol.asyncDispose]: stop };
  } catch (error) {
    console.error(readFileSync(join(folder, "log"), "utf8"));
    await stop();
    throw error;
  }
}

function install(): void {
  const stamp = join(VENV, ".installed");
  const wanted = `${readFileSync(REQUIREMENTS, "utf8")}\njupyter_server ipykernel`;
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return;
  console.error(`guestd: installing Jupyter in ${VENV}`);
  rmSync(VENV, { recursive: true, force: true });
  execFileSync("/usr/bin/python3", ["-m", "venv", VENV], { stdio: "ignore" });
  const pip = ["-m", "pip", "install", "--disable-pip-version-check", "--no-input", "-q"];
  execFileSync(join(VENV, "bin", "python"), [...pip, "jupyter_server", "ipykernel", "-r", REQUIREMENTS], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  writeFileSync(stamp, wanted);
}

/** The server writes where it listens into a file. */
async function listeningPort(child: ChildProcess, runtime: string): Promise<number> {
  const deadline = performance.now() + START_MS;
  while (performance.now() < deadline) {
    const file = readdirSync(runtime).find((name) => /^jpserver-\d+\.json$/.test(name));
    const port = file && portIn(readFileSync(join(runtime, file), "utf8"));
    if (port && (await fetch(`http://127.0.0.1:${port}/api`).catch(() => undefined))?.ok) return port;
    if (child.exitCode !== null || child.signalCode) break;
    await pause(2);
  }
  throw new Error("the Jupyter server does not listen");
}

function portIn(text: string): number | undefined {
  try {
    return (JSON.parse(text) as { port: number }).port;
  } catch {
    return undefined; // it is being written
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
  await exited;
  clearTimeout(timer);
}
