import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readConfig } from "../../src/config.ts";
import { type Daemon, startDaemon } from "../../src/daemon.ts";
import { type MachinePlaces, THIS_MACHINE } from "../../src/lifecycle/machine.ts";
import { createLogger } from "../../src/log.ts";

export const REPOSITORY = join(import.meta.dirname, "..", "..");

export interface TestDaemon extends AsyncDisposable {
  readonly daemon: Daemon;
  /** `http://127.0.0.1:port` of the API. */
  readonly url: string;
  /** The same of the interpreter's port, when it was asked for. */
  readonly interpreterUrl: string;
  /** Log lines so far, parsed. */
  readonly log: Record<string, unknown>[];
  fetch(path: string, init?: RequestInit): Promise<Response>;
}

export interface TestDaemonOptions {
  argv?: readonly string[];
  env?: Record<string, string>;
  /** Opens a second port for the interpreter. */
  hasInterpreterPort?: boolean;
  /** Kernels to offer: the toy kernel of the fixtures (default), the real ones, or none. */
  kernels?: "toy" | "real" | "none" | { folder: string };
  /** What /init changes instead of this machine. */
  places?: Partial<MachinePlaces>;
}

/** What a test has forgotten to replace is found by its message, and this machine stays as it is. */
const NO_PLACES: MachinePlaces = {
  ...THIS_MACHINE,
  clock: {
    nowNs: () => THIS_MACHINE.clock.nowNs(),
    set() {
      throw new Error("a test would have set this machine's clock");
    },
  },
  hostsFile: "/dev/null/hosts",
  trust: { bundle: "/dev/null/bundle.crt", added: "/dev/null/added.crt" },
};

/** Starts a daemon of the sources in this process, on a free port, without a token unless `env` has one. */
export async function startTestDaemon(options: TestDaemonOptions = {}): Promise<TestDaemon> {
  const { argv = [], env = {}, hasInterpreterPort = false, kernels = "none", places } = options;
  const root = kernels === "real" ? REPOSITORY : installRoot(kernels);
  const lines: Record<string, unknown>[] = [];
  const config = readConfig({
    root,
    argv: ["--port", "0", "--interpreter-port", hasInterpreterPort ? "0" : "off", ...argv],
    env: { PATH: process.env["PATH"], HOME: process.env["HOME"], ...env },
    isTerminal: false,
  });
  const write = (line: string): void => void lines.push(JSON.parse(line) as Record<string, unknown>);
  const daemon = await startDaemon(config, createLogger({ level: "debug", format: "json", write }), {
    ...NO_PLACES,
    ...places,
  });
  const [port = 0, interpreterPort = 0] = daemon.ports;
  const url = `http://127.0.0.1:${port}`;
  return {
    daemon,
    url,
    interpreterUrl: `http://127.0.0.1:${interpreterPort}`,
    log: lines,
    fetch: (path, init) => fetch(`${url}${path}`, init),
    async [Symbol.asyncDispose]() {
      await daemon[Symbol.asyncDispose]();
      if (root !== REPOSITORY) rmSync(root, { recursive: true, force: true });
    },
  };
}

/** A daemon with the toy kernel and the interpreter's port, whose default context is there. */
export async function startToyDaemon(): Promise<TestDaemon> {
  const daemon = await startTestDaemon({ kernels: "toy", hasInterpreterPort: true });
  await until(async () => (await fetch(`${daemon.interpreterUrl}/health`)).status === 200);
  return daemon;
}

/** An installation with the built shim and other kernels than the repository's. */
function installRoot(kernels: "toy" | "none" | { folder: string }): string {
  const root = mkdtempSync(join(tmpdir(), "guestd-test-root-"));
  symlinkSync(join(REPOSITORY, "dist"), join(root, "dist"));
  writeFileSync(join(root, "package.json"), readFileSync(join(REPOSITORY, "package.json")));
  if (typeof kernels === "object") symlinkSync(kernels.folder, join(root, "kernels"));
  else if (kernels === "toy") symlinkSync(join(REPOSITORY, "tests", "fixtures", "kernels"), join(root, "kernels"));
  else mkdirSync(join(root, "kernels"));
  return root;
}

/** Resolves when `condition` holds; looks again every few milliseconds, for what has no event. */
export async function until(condition: () => boolean | Promise<boolean>, timeoutMs = 30_000): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${condition.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
