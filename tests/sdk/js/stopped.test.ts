import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Sandbox } from "e2b";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type BuiltDaemon, startBuiltDaemon } from "../../helpers/built-daemon.ts";
import { CodeSession } from "../../helpers/code-contexts.ts";
import { startControlPlane } from "../../helpers/control-plane.ts";
import { until } from "../../helpers/daemon.ts";
import { endedView, post, startRun, viewOf } from "../../helpers/native-runs.ts";
import { stopTree } from "../../helpers/stopped-tree.ts";
import { followFeed } from "../../http/feed-client.ts";
import { PtySocket } from "../../http/pty-socket.ts";
import { callRpc, pollEvents } from "../../http/watch-client.ts";

/*
 * A snapshot-like stop: everything that is going on in a sandbox is stopped at once for ten seconds, longer than any limit that was
 * set, and goes on. One scene with many actors, since the stop is what takes its time; each test looks at one of them.
 */

const BEFORE_SECONDS = 2;
const STOPPED_SECONDS = 10;
const LIMIT_MS = 5000;
/** Contexts and watchers that nobody used for so long would be gone. */
const IDLE_SECONDS = "11";
/** For how long a signed URL opens that is made right before; the time of its expiration is in whole seconds. */
const SIGNED_SECONDS = STOPPED_SECONDS - 2;
const TOKEN = "tok-stopped-4d1f0a";
const AS_OWNER = { "X-Access-Token": TOKEN };

let daemon: BuiltDaemon;
let folder = "";
let scene: Scene;

interface Scene {
  sdk: { lines: string[]; exitCode: number };
  curl: string;
  limited: { wasRunning: boolean; wallMs: number; ending: string | null; detail: string | undefined }[];
  idleContexts: string[];
  idleWatcher: string[];
  terminal: string;
  watched: string[];
  polled: string[];
  cell: { text: string; ending: string | null; next: string; environment: string };
  silent: string;
  /** Asked in this order: before `/init` is called again, that, and afterwards. */
  tokens: { before: Answers; init: Answers; after: Answers };
  /** What signed URLs open, those made before. */
  signed: { lasting: string; expiring: string; lastingAfter: string; expiringAfter: string };
}

/** Statuses by what token was sent. */
interface Answers {
  same: number;
  other: number;
  none: number;
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "guestd-stopped-"));
  chmodSync(folder, 0o755); // programs run as another user
  daemon = await startBuiltDaemon({
    token: TOKEN,
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
  const signed = join(folder, "signed");
  writeFileSync(signed, "what was signed");
  await using context = await CodeSession.open(daemon.interpreterUrl, { language: "python" }, AS_OWNER);
  await context.value("state = 42; 1");
  const created = await post(url, "/v1/contexts", { language: "python" }, AS_OWNER);
  const idle = (await created.json()) as { id: string };
  const { body: idleWatcher } = await callRpc(url, "CreateWatcher", { path: folder }, AS_OWNER);
  await using terminal = await PtySocket.open(url, "/v1/pty?cols=80&rows=24", [], AS_OWNER);
  using feed = await followFeed(`${url}/v1/watch?path=${folder}`, { Accept: "application/x-ndjson", ...AS_OWNER });
  await using plane = await startControlPlane(url, TOKEN);
  const sandbox = await Sandbox.create({ apiKey: plane.apiKey, apiUrl: plane.url, sandboxUrl: url });
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
  const limited = await Promise.all(limits.map((limit) => startRun(url, { shell: "sleep 600", ...limit }, AS_OWNER)));
  const silent = startCurl(`${url}/v1/run`, [
    "-H",
    "Accept: application/x-ndjson",
    "--json",
    `{"shell":"read line; echo $line","stdin":true}`,
  ]);
  const [, silentId = ""] = await silent.said(/"id":"(run_\w+)"/);
  const cell = fetch(`${url}/v1/code/python?context=${context.id}&timeoutMs=${LIMIT_MS}`, {
    method: "POST",
    headers: { Accept: "application/json", ...AS_OWNER },
    body: "import time\nfor step in range(20): time.sleep(0.15)\nprint(state, step)",
  });
  await until(() => sdkText.join("").includes("\n2\n"));
  await curl.said(/^2$/m);

  await once(spawn("sleep", [String(BEFORE_SECONDS)]), "exit");
  const lastingUrl = await sandbox.downloadUrl(signed);
  const expiringUrl = await sandbox.downloadUrl(signed, { useSignatureExpiration: SIGNED_SECONDS });
  const [lasting, expiring] = [await opened(lastingUrl), await opened(expiringUrl)];
  await stopTree(daemon.pid, {
    seconds: STOPPED_SECONDS,
    during: () => {
      writeFileSync(join(folder, "made-meanwhile"), "");
      dying.child.kill("SIGKILL");
    },
  });
  const before = await answersTo((headers) => fetch(`${url}/v1/info`, { headers }));
  const init = await answersTo((_headers, accessToken) =>
    post(url, "/init", { accessToken, envVars: { AFTER: "the stop" }, timestamp: new Date().toISOString() }),
  );
  const after = await answersTo((headers) => fetch(`${url}/v1/info`, { headers }));
  const wereRunning = await Promise.all(
    limited.map(async ({ id }) => (await viewOf(url, id, AS_OWNER)).state === "running"),
  );
  const listed = await fetch(`${url}/v1/contexts`, { headers: AS_OWNER });
  const { contexts } = (await listed.json()) as { contexts: { id: string }[] };
  const idleWatched = await pollEvents(url, idleWatcher["watcherId"], AS_OWNER);
  const [lastingAfter, expiringAfter] = [await opened(lastingUrl), await opened(expiringUrl)];

  const made = await feed.until((event) => JSON.stringify(event).includes("made-meanwhile"));
  terminal.type("echo a$((1+1)) $AFTER\n");
  await until(() => /^a2/m.test(terminal.text));
  await until(() => polled.includes("made-meanwhile"));
  const keepalives = silent.text().split("keepalive").length;
  await until(() => silent.text().split("keepalive").length > keepalives, 20_000);
  await fetch(`${url}/v1/runs/${silentId}/stdin?close=1`, { method: "POST", headers: AS_OWNER, body: "over\n" });
  await silent.exited;
  writeFileSync(over, "");
  const { exitCode } = await command.wait().catch((error: { exitCode: number }) => error);
  await watch.stop();
  await curl.exited;
  const answer = (await (await cell).json()) as { ending: string | null; stdout: string };
  const ends = await Promise.all(limited.map(({ id }) => endedView(url, id, AS_OWNER)));
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
    idleWatcher: idleWatched,
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
    tokens: { before, init, after },
    signed: { lasting, expiring, lastingAfter, expiringAfter },
  };
}

/** What is answered to a request with the token, with another one and without any: as a header, and as it is. */
async function answersTo(
  ask: (headers: Record<string, string>, token: string | undefined) => Promise<Response>,
): Promise<Answers> {
  const { status: same } = await ask(AS_OWNER, TOKEN);
  const { status: other } = await ask({ "X-Access-Token": `${TOKEN}x` }, `${TOKEN}x`);
  const { status: none } = await ask({}, undefined);
  return { same, other, none };
}

/** What a URL gives to somebody who has nothing else. */
async function opened(url: string): Promise<string> {
  const response = await fetch(url);
  const text = await response.text();
  return response.ok ? text : `${response.status} ${(JSON.parse(text) as { message: string }).message}`;
}

interface Curl {
  child: ChildProcess;
  text(): string;
  said(pattern: RegExp): Promise<RegExpExecArray>;
  exited: Promise<unknown>;
}

function startCurl(url: string, args: readonly string[]): Curl {
  const child = spawn("curl", ["-sN", url, "-H", `X-Access-Token: ${TOKEN}`, ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
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

test("the token is what it was, /init takes that one again and no other, and changes nothing about it", () => {
  const guarded = { same: 200, other: 401, none: 401 };
  expect(scene.tokens).toEqual({ before: guarded, init: { same: 204, other: 401, none: 401 }, after: guarded });
});

test("signed URLs made before it open what they did, unless their time has passed meanwhile", () => {
  expect(scene.signed).toEqual({
    lasting: "what was signed",
    expiring: "what was signed",
    lastingAfter: "what was signed",
    expiringAfter: "401 signature is already expired",
  });
});

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

test("a context that was idle is still there", () => {
  expect(scene.idleContexts).toHaveLength(1);
});

test("a watcher that nobody asked is still there, and tells what has happened meanwhile", () => {
  expect(scene.idleWatcher).toEqual(["CREATE made-meanwhile"]);
});

test("a terminal goes on, and its shell has noticed nothing", () => {
  expect(scene.terminal).toMatch(/^a2/m);
  expect(scene.terminal).not.toMatch(/Stopped|logout|exit/);
});

test("a feed and the SDK's watcher tell what has happened meanwhile", () => {
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
