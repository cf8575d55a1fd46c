import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTestDaemon, type TestDaemon, until } from "../helpers/daemon.ts";
import { PtySocket } from "./pty-socket.ts";

let daemon: TestDaemon;
beforeAll(async () => void (daemon = await startTestDaemon()));
afterAll(() => daemon[Symbol.asyncDispose]());

const open = (query = ""): Promise<PtySocket> => PtySocket.open(daemon.url, `/v1/pty?${query}`);
const shell = (script: string, more = ""): Promise<PtySocket> => open(`cmd=${encodeURIComponent(script)}${more}`);

const refusal = (path: string): Promise<number> => PtySocket.refusal(daemon.url, path);

async function post(path: string, body: unknown): Promise<Response> {
  const headers = { "Content-Type": "application/json" };
  return fetch(daemon.url + path, { method: "POST", headers, body: JSON.stringify(body) });
}

describe("a terminal over a WebSocket", () => {
  test("says who it is, shows everything from the first byte, and how it ended", async () => {
    await using socket = await shell("printf 'first'; exit 7", "&cols=100&rows=30");
    expect(await socket.closed()).toBe(1000);
    expect(socket.text).toBe("first");
    expect(socket.frames).toMatchObject([
      { type: "start", kind: "terminal", offset: 0, size: { cols: 100, rows: 30 } },
      { type: "end", ending: "exited", exitCode: 7, usage: { source: "wait4" } },
    ]);
  });

  test("is a controlling terminal of the user's own, that can be opened again", async () => {
    await using socket = await shell(
      "tty; stat -c %U $(tty); echo through >/dev/tty; echo err >/dev/stderr; ps -o tpgid= -p $$; echo $$",
    );
    await socket.closed();
    const [device, owner, through, error, foreground, pid] = socket.text.trim().split(/\s+/);
    expect([device?.slice(0, 9), owner, through, error, foreground]).toEqual([
      "/dev/pts/",
      "user",
      "through",
      "err",
      pid,
    ]);
  });

  test("is a login shell unless told otherwise, in which a job can be stopped and gone on with", async () => {
    await using socket = await open("user=root");
    socket.type("shopt -q login_shell && echo log''in $TERM\n");
    await socket.untilText("login xterm-256color");
    // Nothing is forked after the line: a shell that is stopped in the midst of its vfork never says so.
    socket.type("sh -c 'echo run$((40 + 2)); read x'\n");
    await socket.untilText("run42");
    socket.type("\u001A");
    await socket.untilText("Stopped");
    socket.type("kill -9 %1\nexit 3\nexit 3\n");
    expect(await socket.frame("end")).toMatchObject({ ending: "exited", exitCode: 3 });
  });

  test("Ctrl-C interrupts what runs in the foreground, not the shell", async () => {
    await using socket = await shell("trap 'echo caught' INT; sh -c 'echo ready; exec sleep 100'; echo after");
    await socket.untilText("ready");
    socket.type("\u0003");
    await socket.untilText("caught");
    await socket.untilText("after");
  });

  test("is resized by whoever asks last, and all viewers are told", async () => {
    await using socket = await shell(
      // A shell may miss a signal that comes while it handles the one before: the size itself is not missed.
      "trap 'echo told' WINCH; echo ready; while :; do sleep 0.05; stty size; done",
      "&cols=80&rows=24",
    );
    await socket.untilText("ready");
    await using other = await PtySocket.open(daemon.url, `/v1/runs/${socket.id}/attach`);
    other.control({ type: "resize", cols: 120, rows: 40 });
    await socket.untilText("told");
    await socket.untilText("40 120");
    expect(await socket.frame("size")).toEqual({ type: "size", cols: 120, rows: 40 });
    expect((await post(`/v1/runs/${socket.id}/resize`, { cols: 60, rows: 20 })).status).toBe(200);
    await other.untilText("20 60");
    expect(await other.frame("size")).toEqual({ type: "size", cols: 60, rows: 20 });
    socket.control({ type: "signal", signal: "SIGKILL", scope: "tree" });
    expect(await socket.frame("end")).toMatchObject({ ending: "signaled", signal: "SIGKILL" });
  });

  test("has its screen again after a reconnect, from any offset, also after its end", async () => {
    const socket = await shell("printf '\\033[2J\\033[Hmenu: 0123456789'; read x; echo got $x");
    await socket.untilText("0123456789");
    const { id } = socket;
    await socket[Symbol.asyncDispose]();
    await using again = await PtySocket.open(daemon.url, `/v1/runs/${id}/attach`);
    await again.untilText("\u001B[2J\u001B[Hmenu: 0123456789");
    again.type("it\r");
    await again.frame("end");
    expect(again.text).toBe("\u001B[2J\u001B[Hmenu: 0123456789it\r\ngot it\r\n");
    await using partial = await PtySocket.open(daemon.url, `/v1/runs/${id}/attach?offset=13`);
    await partial.closed();
    expect([partial.text, partial.frames[0]]).toMatchObject([again.text.slice(13), { offset: 13 }]);
  });

  test("takes a megabyte that is pasted at once, byte for byte", async () => {
    await using socket = await shell("stty raw -echo; echo ready; head -c 1048576 | sha256sum; stty sane");
    await socket.untilText("ready");
    const paste = Buffer.alloc(1_048_576, "0123456789abcdefghijklmnopqrstuvwxyz\n");
    socket.type(paste);
    await socket.frame("end");
    expect(socket.text).toContain(createHash("sha256").update(paste).digest("hex"));
  });

  test("ten megabytes that nobody reads do not hold up a signal", async () => {
    await using socket = await shell("stty raw -echo; echo ready; exec sleep 100");
    await socket.untilText("ready");
    for (let sent = 0; sent < 10; sent += 1) socket.type(Buffer.alloc(1_000_000, "x"));
    socket.control({ type: "signal", signal: "SIGKILL" });
    expect(await socket.frame("end")).toMatchObject({ ending: "signaled", signal: "SIGKILL" });
  });

  test("the log says how an upgrade went", async () => {
    await using own = await startTestDaemon();
    expect(await PtySocket.refusal(own.url, "/v1/runs/run_nowhere/attach")).toBe(404);
    await using socket = await PtySocket.open(own.url, "/v1/pty?cmd=true");
    await socket.closed();
    const requests = (): Record<string, unknown>[] => own.log.filter(({ event }) => event === "request");
    await until(() => requests().length === 2);
    expect(requests()).toMatchObject([
      { path: "/v1/runs/run_nowhere/attach", status: 404, outcome: "error", code: "not_found" },
      { path: "/v1/pty", status: 101, outcome: "ok" },
    ]);
  });

  test("a frame that means nothing is told, and the connection stays", async () => {
    await using socket = await shell("read x; echo got $x");
    for (const wrong of ["{", "[]", '{"type":"dance"}', '{"type":"resize","cols":0,"rows":1}']) socket.control(wrong);
    socket.control({ type: "signal", signal: "SIGDANCE" });
    socket.control({ type: "eof" });
    socket.control({ type: "ping" });
    await socket.frame("pong");
    expect(socket.frames.filter(({ type }) => type === "error").map(({ code }) => code)).toEqual([
      ...Array.from({ length: 5 }, () => "invalid_argument"),
      "failed_precondition",
    ]);
    socket.type("it\r");
    await socket.untilText("got it");
  });

  test("a viewer that does not read holds up nobody", async () => {
    await using socket = await shell("read go; seq 1 500000; echo do''ne", "&cols=100");
    await using stalled = await PtySocket.open(daemon.url, `/v1/runs/${socket.id}/attach`);
    stalled.stall();
    socket.type("\r");
    await socket.untilText("done");
    expect(socket.text).toContain("499999\r\n500000\r\ndone");
  });

  test("programs that draw start inside", async () => {
    await using socket = await shell("tmux -f /dev/null new-session 'echo in''side; sleep 100'", "&cols=80&rows=24");
    await socket.untilText("inside");
    socket.control({ type: "signal", signal: "SIGKILL", scope: "tree" });
    await socket.frame("end");
  });
});

describe("taking part in a command", () => {
  test("shows its output and gives it input", async () => {
    const started = await post("/v1/run?background=1", { cmd: "sh", args: ["-c", "cat; echo bye >&2"], stdin: true });
    const { id } = (await started.json()) as { id: string };
    await using socket = await PtySocket.open(daemon.url, `/v1/runs/${id}/attach`);
    socket.type("hello\n");
    await socket.untilText("hello\n");
    socket.control({ type: "eof" });
    expect(await socket.frame("end")).toMatchObject({ exitCode: 0 });
    expect(socket.text).toBe("hello\nbye\n");
    expect((await post(`/v1/runs/${id}/resize`, { cols: 1, rows: 1 })).status).toBe(404);
  });
});

describe("what cannot be is refused before the upgrade", () => {
  test("with the status that any other route gives", async () => {
    expect(await refusal("/v1/pty?cols=0")).toBe(400);
    expect(await refusal("/v1/pty?cwd=/nowhere")).toBe(400);
    expect(await refusal("/v1/pty?user=ghost")).toBe(401);
    expect(await refusal("/v1/runs/run_none/attach")).toBe(404);
    expect(await refusal("/nope")).toBe(404);
    await using socket = await shell("echo hi");
    await socket.closed();
    expect(await refusal(`/v1/runs/${socket.id}/attach?offset=99`)).toBe(400);
  });

  test("a plain request is told what to do", async () => {
    const reply = await fetch(`${daemon.url}/v1/pty`);
    expect([reply.status, reply.headers.get("upgrade")]).toEqual([426, "websocket"]);
    expect(await reply.json()).toMatchObject({ code: "failed_precondition", reason: "upgrade_required" });
    const upgrade = await fetch(`${daemon.url}/v1/runs`, { headers: { "X-Upgrade": "h2c" } });
    expect(upgrade.status).toBe(200);
  });

  test("no token, or a wrong one; a browser gives it as a subprotocol, and it is not sent back where another name is offered", async () => {
    await using gated = await startTestDaemon({ env: { GUESTD_TOKEN: "secret-token" } });
    const path = "/v1/pty?cmd=echo%20hi";
    expect(await PtySocket.refusal(gated.url, path)).toBe(401);
    expect(await PtySocket.refusal(gated.url, path, ["guestd.token.wrong"])).toBe(401);
    await using browser = await PtySocket.open(gated.url, path, ["guestd", "guestd.token.secret-token"]);
    await browser.frame("end");
    expect([browser.protocol, browser.text]).toEqual(["guestd", "hi\r\n"]);
    await using header = await PtySocket.open(gated.url, path, [], { "X-Access-Token": "secret-token" });
    await header.frame("end");
    expect(header.text).toBe("hi\r\n");
  });

  test("a foreign page, while there is no token", async () => {
    expect(await PtySocket.refusal(daemon.url, "/v1/pty", [], { Origin: "https://evil.example" })).toBe(403);
  });
});
