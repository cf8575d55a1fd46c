import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { REPOSITORY } from "../helpers/daemon.ts";
import { fencesOf } from "../helpers/fences.ts";

const run = promisify(execFile);
/** What is made from the sources: a newcomer has none of it. */
const MADE = /^(\.git|\.cache|node_modules|dist|out|coverage|kernels\/[^/]+\/built)$/;
/** A newcomer's shell, whatever runs the tests; packages come from where npm has them. */
const ENV = { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", HOME: process.env["HOME"] };

const fences = fencesOf(join(REPOSITORY, "docs", "quickstart.md"));
const scripts = fences.filter(({ info }) => info === "sh run").map(({ text }) => text);
let folder = "";
let daemon: ChildProcess | undefined;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "guestd-quickstart-"));
  cpSync(REPOSITORY, join(folder, "guestd"), {
    recursive: true,
    filter: (path) => !MADE.test(relative(REPOSITORY, path)),
  });
});
afterAll(async () => {
  if (daemon?.pid !== undefined && daemon.exitCode === null && daemon.signalCode === null) {
    const ended = once(daemon, "exit");
    process.kill(-daemon.pid, "SIGTERM");
    await ended;
  }
  rmSync(folder, { recursive: true, force: true });
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Starts the daemon as the page does, on `port`; resolves when it listens. */
async function start(script: string, port: number): Promise<void> {
  const env = { ...ENV, GUESTD_PORT: String(port), GUESTD_INTERPRETER_PORT: "off", GUESTD_LOG_FORMAT: "json" };
  const child = spawn("/bin/sh", ["-e", "-c", script], {
    cwd: folder,
    env,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  daemon = child;
  let printed = "";
  await new Promise<void>((resolve, reject) => {
    const take = (chunk: Buffer): void => {
      printed += chunk.toString("utf8");
      if (printed.includes('"event":"listening"')) resolve();
    };
    child.stdout.on("data", take);
    child.stderr.on("data", take);
    child.once("exit", () => reject(new Error(`the daemon did not start: ${printed}`)));
  });
}

// Installs packages and builds: minutes where the machine is busy.
test("the page leads from the sources to a plot", { timeout: 600_000 }, async () => {
  const [first = "", second = "", third = ""] = scripts;
  expect(scripts.length).toBe(3);
  const port = await freePort();
  await start(first, port);

  const file = fences.find(({ info }) => info.startsWith("js file "));
  const program = join(folder, "first-plot");
  const env = { ...ENV, E2B_SANDBOX_URL: `http://127.0.0.1:${port}` };
  await run("/bin/sh", ["-e", "-c", second], { cwd: folder, env });
  mkdirSync(program, { recursive: true });
  writeFileSync(join(program, file?.info.replace("js file ", "") ?? ""), file?.text ?? "");
  const { stdout } = await run("/bin/sh", ["-e", "-c", third], { cwd: program, env });

  expect(stdout).toBe(fences.find(({ info }) => info === "text")?.text);
  const plot = readFileSync(join(program, "plot.png"));
  expect(plot.subarray(0, 8).toString("latin1")).toBe("\u0089PNG\r\n\u001a\n");
  expect(plot.length).toBeGreaterThan(1000);
});
