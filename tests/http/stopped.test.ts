import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Sandbox } from "e2b";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type BuiltDaemon, startBuiltDaemon } from "../helpers/built-daemon.ts";
import { CodeSession } from "../helpers/code-contexts.ts";
import { until } from "../helpers/daemon.ts";
import { endedView, post, startRun, viewOf } from "../helpers/native-runs.ts";
import { stopTree } from "../helpers/stopped-tree.ts";
import { followFeed } from "./feed-client.ts";
import { PtySocket } from "./pty-socket.ts";

/*
 * A snapshot-like stop: everything that is going on in a sandbox is stopped at once for ten seconds, longer than any limit that was
 * set, and goes on. One scene with many actors, since the stop is what takes its time; each test looks at one of them.
 */

const BEFORE_SECONDS = 2;
const STOPPED_SECONDS = 10;
const LIMIT_MS = 5000;
/** Contexts and watchers that nobody used for so long would be gone. */
const IDLE_SECONDS = "11";

let daemon: BuiltDaemon;
let folder = "";
let scene: Scene;

interface Scene {
  sdk: { lines: string[]; exitCode: number };
  curl: string;
  limited: { wasRunning: boolean; wallMs: number; ending: string | null; detail: string | undefined }[];
  idleContexts: string[];
  terminal: string;
  watched: string[];
  polled: string[];
  cell: { text: string; ending: string | null; next: string; environment: string };
  silent: string;
  initStatus: number;
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "guestd-stopped-"));
  chmodSync(folder, 0o755); // programs run as another user
  daemon = await startBuiltDaemon({
    argv: ["--context-idle-seconds", IDLE_SECONDS, "--watcher-idle-seconds", IDLE_SECONDS],
  });
  scene = await play();
}, 120_000);
afterAll(async () => {
  await daemon?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

/** Counts until a file is there: a lost line, or one told twice, would show. */
const counting = (file: string): string =>
  `i=0; while [ ! -e ${file} ]; do i=$((i+1)); echo $i; sleep 0.02; done; exit 3`;

async function play(): Promise<Scene> {
  const { url } = daemon;
  const over = join(folder, "over");
  await using context = await CodeSession.open(daemon.interpreterUrl, { language: "python" });
  await context.value("state = 42; 1");
  const idle = (await (await post(url, "/v1/contexts", { language: "python" })).json()) as { id: string };
  await using terminal = await PtySocket.open(url, "/v1/pty?cols=80&rows=24");
  using feed = await followFeed(`${url}/v1/watch?path=${folder}`, { Accept: "application/x-ndjson" });
  const sandbox = await Sandbox.create({ debug: true, sandboxUrl: url });
  const polled: string[] = [];
  const watch = await sandbox.files.watchDir(folder, ({ name }) => void polled.push(name));

  const sdkText: string[] = [];
  const command = await sandbox.commands.run(counting(over), {
    background: true,
    onStdout: (text) => void sdkText.push(text),
  });
  const curl = startCurl(`${url}/v1/run`, ["--data-binary", counting(over)]);
  const dying = startCurl(`${url}/v1/run`, ["--data-binary", "echo up; sleep 600"]);
  await dying.said(/up/);
  const limits = [{ timeoutMs: LIMIT_MS }, { idleTimeoutMs: LIMIT_MS }, { startTimeoutMs: LIMIT_MS }];
  const limited = await Promise.all(limits.map((limit) => startRun(url, { shell: "sleep 600", ...limit })));
  const silent = startCurl(`${url}/v1/run`, [
    "-H",
    "Accept: application/x-ndjson",
    "--json",
    `{"shell":"read line; echo $line","stdin":true}`,
  ]);
  const [, silentId = ""] = await silent.said(/"id":"(run_\w+)"/);
  const cell = fetch(`${url}/v1/code/python?context=${context.id}&timeoutMs=${LIMIT_MS}`, {
    method: "POST",
    headers: { Accept: "application/json" },
    body: "import time\nfor step in range(20): time.sleep(0.15)\nprint(state, step)",
  });
  await until(() => sdkText.join("").includes("\n2\n"));
  await curl.said(/^2$/m);

  await once(spawn("sleep", [String(BEFORE_SECONDS)]), "exit");
  await stopTree(daemon.pid, {
    seconds: STOPPED_SECONDS,
    during: () => {
      writeFileSync(join(folder, "made-meanwhile"), "");
      dying.child.kill("SIGKILL");
    },
  });
  const init = await post(url, "/init", { envVars: { AFTER: "the stop" }, timestamp: new Date().toISOString() });
  const wereRunning = await Promise.all(limited.map(async ({ id }) => (await viewOf(url, id)).state === "running"));
  const { contexts } = (await (await fetch(`${url}/v1/contexts`)).json()) as { contexts: { id: string }[] };

  const made = await feed.until((event) => JSON.stringify(event).includes("made-meanwhile"));
  terminal.type("echo a$((1+1)) $AFTER\n");
  await until(() => /^a2/m.test(terminal.text));
  await until(() => polled.includes("made-meanwhile"));
  const keepalives = silent.text().split("keepalive").length;
  await until(() => silent.text().split("keepalive").length > keepalives, 20_000);
  await fetch(`${url}/v1/runs/${silentId}/stdin?close=1`, { method: "POST", body: "over\n" });
  await silent.exited;
  writeFileSync(over, "");
  const { exitCode } = await command.wait().catch((error: { exitCode: number }) => error);
  await watch.stop();
  await curl.exited;
  const answer = (await (await cell).json()) as { ending: string | null; stdout: string };
  const ends = await Promise.all(limited.map(({ id }) => endedView(url, id)));
  return {
    sdk: { lines: sdkText.join("").trim().split("\n"), exitCode },
    curl: curl.text(),
    limited: ends.map(({ usage, ending, detail }, index) => ({
      wasRunning: wereRunning[index] === true,
      wallMs: usage?.wallMs ?? 0,
      ending,
      detail,
    })),
    idleContexts: contexts.filter(({ id }) => id === idle.id).map(({ id }) => id),
    terminal: terminal.text,
    watched: made.map((event) => JSON.stringify(event)),
    polled,
    cell: {
      text: answer.stdout,
      ending: answer.ending,
      next: await context.value("state"),
      environment: await context.value("import os; os.environ['AFTER']"),
    },
    silent: silent.text(),
    initStatus: init.status,
  };
}

interface Curl {
  child: ChildProcess;
  text(): string;
  said(pattern: RegExp): Promise<RegExpExecArray>;
  exited: Promise<unknown>;
}

function startCurl(url: string, args: readonly string[]): Curl {
  const child = spawn("curl", ["-sN", url, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  child.stdout.on("data", (bytes: Buffer) => void (text += bytes.toString()));
  const said = async (pattern: RegExp): Promise<RegExpExecArray> => {
    await until(() => pattern.test(text));
    return pattern.exec(text) as RegExpExecArray;
  };
  return { child, text: () => text, said, exited: once(child, "close") };
}

function countedLines(lines: readonly string[]): number[] {
  expect(lines.length).toBeGreaterThan(50);
  return lines.map((_, index) => index + 1);
}

test("/init is answered after it", () => expect(scene.initStatus).toBe(204));

test("a command goes on for the JavaScript SDK and ends as it wants, without a line lost or told twice", () => {
  expect(scene.sdk).toEqual({ lines: countedLines(scene.sdk.lines).map(String), exitCode: 3 });
});

test("so it does for curl", () => {
  const lines = scene.curl.trim().split("\n");
  expect(lines).toEqual(countedLines(lines).map(String));
});

test.each(["wall", "idle", "start"].entries().toArray())(
  "what is left of a limit of five seconds (%i) is left afterwards: %s",
  (index, which) => {
    const run = scene.limited[index];
    expect(run).toMatchObject({ wasRunning: true, ending: "timeout", detail: expect.stringContaining(which) });
    // It was given five seconds besides the ten: never less, and more only as far as the looks at the clock are apart.
    expect(run?.wallMs).toBeGreaterThanOrEqual(STOPPED_SECONDS * 1000 + LIMIT_MS - 500);
  },
);

test("a cell with such a limit comes to its end, and its context has all it had and what /init has brought", () => {
  expect(scene.cell).toEqual({ text: "42 19\n", ending: "finished", next: "42", environment: "the stop" });
});

test("a context and a watcher that were idle are still there", () => {
  expect(scene.idleContexts).toHaveLength(1);
});

test("a terminal goes on, and its shell has noticed nothing", () => {
  expect(scene.terminal).toMatch(/^a2/m);
  expect(scene.terminal).not.toMatch(/Stopped|logout|exit/);
});

test("watchers tell what has happened meanwhile", () => {
  expect(scene.watched.join("")).toContain("made-meanwhile");
  expect(scene.polled).toContain("made-meanwhile");
});

test("a silent stream is kept alive, and says what comes then", () => {
  expect(scene.silent).toContain("keepalive");
  expect(scene.silent).toContain('"text":"over\\n"');
  expect(scene.silent).toContain('"end"');
});

test("a client that died meanwhile is noticed", async () => {
  await until(() => daemon.log.some(({ path, outcome }) => path === "/v1/run" && outcome === "aborted"));
});

test("nothing ended that should not have, and no bug came to light", () => {
  const events = daemon.log.map(({ event }) => event);
  for (const event of ["bug", "kernel.died", "kernel.stuck", "fork_server.replaced", "context.removed"]) {
    expect(events).not.toContain(event);
  }
});
