import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { isRunning, processState } from "../../src/host/process-tree.ts";
import { keepProcessorsBusy } from "../helpers/busy.ts";
import { startTestDaemon, type TestDaemon, until } from "../helpers/daemon.ts";
import { ProcessMark } from "../helpers/marked-processes.ts";
import { endedView, outputOf, removeRun, signalRun, startRun, untilPrinted } from "../helpers/native-runs.ts";
import { begin, bytesOf, stream } from "../helpers/process-calls.ts";
import { SIZE, TerminalClient } from "./terminal-client.ts";

const MIB = 1024 * 1024;
const HI = { process: { cmd: "/bin/echo", args: ["hi"] }, pty: { size: SIZE } };

let daemon: TestDaemon;
let folder = "";
beforeAll(async () => {
  daemon = await startTestDaemon();
  folder = mkdtempSync(join(tmpdir(), "guestd-terminals-"));
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

let mark = new ProcessMark();
beforeEach(() => void (mark = new ProcessMark()));
afterEach(() => mark.killHolders());

const asRoot = { Authorization: `Basic ${Buffer.from("root:").toString("base64")}` };
const start = (script: string, more: Record<string, unknown> = {}): Promise<TerminalClient> =>
  TerminalClient.start(daemon.url, script, { envs: { ...mark.envs, TERM: "xterm-256color" }, ...more });

describe("quick programs", () => {
  test("two hundred of them in terminals of their own never lose a byte, be the machine as busy as it may", async () => {
    using _busy = keepProcessorsBusy();
    let begun = 0;
    const wrong: unknown[] = [];
    const work = async (): Promise<void> => {
      while (begun < 200) {
        begun += 1;
        const events = await stream(daemon.url, "Start", HI);
        const text = bytesOf(events, "pty").toString();
        const end = events.find((event) => event.end)?.end;
        if (text !== "hi\r\n" || end?.exitCode !== 0) wrong.push({ text, end });
      }
    };
    await Promise.all(Array.from({ length: 8 }, work));
    expect(wrong).toEqual([]);
  }, 120_000);

  test("that print more than a terminal holds are heard to the last byte", async () => {
    using _busy = keepProcessorsBusy();
    const script = "head -c 300000 /dev/zero | tr '\\0' x; printf 'the end'";
    const texts = await Promise.all(Array.from({ length: 10 }, async () => (await start(script)).rest()));
    expect(texts.map((text) => [text.length, text.slice(-7)])).toEqual(
      Array.from({ length: 10 }, () => [300_007, "the end"]),
    );
  });

  test("nobody listened to have said everything when they are asked for", async () => {
    const live = await begin(daemon.url, HI);
    live.stream.destroy();
    await until(() => processState(live.pid) === undefined);
    const events = await stream(daemon.url, "Connect", { process: { pid: live.pid }, resumeFrom: {} });
    expect([bytesOf(events, "pty").toString(), events.at(-1)]).toEqual(["hi\r\n", { close: "ok" }]);
  });
});

describe("what is typed", () => {
  test("a megabyte at once, of any bytes, comes back as it was", async () => {
    const terminal = await start("stty raw -echo; echo ready; head -c 1048576");
    await terminal.until(/ready\n/);
    const paste = randomBytes(MIB);
    await terminal.type(paste);
    const back = Buffer.from((await terminal.rest()).slice(-MIB), "latin1");
    expect(back.equals(paste)).toBe(true);
  });

  test("a megabyte of lines comes through the terminal's own line editing", async () => {
    const lines = Array.from({ length: 20_000 }, (_, index) => `line ${index} ${"x".repeat(40)}`).join("\n");
    const typed = `${lines}\n`;
    const terminal = await start("stty -echo; echo ready; cat | sha256sum; echo done");
    await terminal.until(/ready\r\n/);
    await terminal.type(typed);
    await terminal.type("\u0004");
    expect(await terminal.rest()).toContain(createHash("sha256").update(typed).digest("hex"));
  });

  test("and not read holds up neither a signal nor another terminal", async () => {
    const terminal = await start("stty raw -echo; echo ready; exec sleep 60");
    await terminal.until(/ready\n/);
    const typing = terminal.type(randomBytes(MIB)).then(
      () => "taken",
      (error: unknown) => String(error),
    );
    const events = await stream(daemon.url, "Start", HI);
    expect(bytesOf(events, "pty").toString()).toBe("hi\r\n");
    await terminal.kill();
    // On a busy machine the megabyte may come when the terminal is gone already.
    expect((await typing).slice(-200)).toMatch(/failed_precondition|not_found/);
    await terminal.rest();
    expect(terminal.end?.status).toBe("signal: killed");
  });
});

describe("a client that stops reading", () => {
  test("holds up neither the program nor anybody else, and has everything when it reads on", async () => {
    const terminal = await start("read go; seq 1 400000; printf done");
    const other = await TerminalClient.connect(daemon.url, terminal.pid);
    terminal.stall();
    await other.type("\n");
    const text = await other.rest();
    expect([text.slice(-14), other.end?.exitCode]).toEqual(["\r\n400000\r\ndone", 0]);
    await until(() => processState(terminal.pid) === undefined);
    expect(await terminal.rest()).toBe(text);
  });
});

describe("a program that draws", () => {
  test("is seen by who comes later as by who was there: its screen is in the scrollback", async () => {
    const socket = join(folder, "tmux");
    const command = `tmux -S ${socket} -f /dev/null new-session 'echo first in''side; read x; echo second $x; sleep 60'`;
    const terminal = await start(command, { headers: asRoot, envs: { ...mark.envs, TERM: "xterm", LANG: "C.UTF-8" } });
    await terminal.until(/first inside/);
    terminal.leave();
    const again = await TerminalClient.connect(daemon.url, terminal.pid, { pty: 0 });
    // It switched to the alternate screen before it drew.
    await again.until(/first inside/);
    expect(again.text.slice(0, again.text.indexOf("first inside"))).toContain("\u001B[?1049h");
    await again.resize(100, 30);
    await again.type("time\r");
    await again.until(/second time/);
    await again.kill();
    await again.rest();
    expect(again.end?.status).toBe("signal: killed");
    await until(() => mark.holders().length === 0);
  });
});

describe("who else has the terminal open", () => {
  test("does not hold up the end, lives on, and is still heard", async () => {
    const go = join(folder, "go");
    const script = `trap '' HUP; (until [ -e ${go} ]; do sleep 0.02; done; echo late; exec sleep 60) & echo early; exit 6`;
    const run = await startRun(daemon.url, {
      cmd: "sh",
      args: ["-c", script],
      pty: SIZE,
      envs: mark.envs,
      user: "root",
    });
    const view = await endedView(daemon.url, run.id);
    expect(view).toMatchObject({ ending: "exited", exitCode: 6 });
    const [holder] = view.pipesHeldBy ?? [];
    expect([holder !== undefined, isRunning(holder?.pid ?? 0)]).toEqual([true, true]);
    await (await start(`touch ${go}`, { headers: asRoot })).rest();
    await until(async () =>
      (await stream(daemon.url, "Connect", { process: { pid: run.pid }, resumeFrom: {} }))
        .map((event) => Buffer.from(event.data?.pty ?? "", "base64").toString())
        .join("")
        .endsWith("late\r\n"),
    );
    expect((await removeRun(daemon.url, run.id)).survivors).toEqual([]);
    expect(mark.holders()).toEqual([]);
  });

  test("is the program itself again after it closed everything and opened /dev/tty", async () => {
    const terminal = await start(
      "echo before; exec <&- >&- 2>&-; sleep 0.2; exec </dev/tty >/dev/tty 2>&1; echo after; read x; echo got $x; exit 8",
    );
    await terminal.until(/after/);
    await terminal.type("it\n");
    expect(await terminal.rest()).toBe("before\r\nafter\r\nit\r\ngot it\r\n");
    expect(terminal.end?.exitCode).toBe(8);
  });

  test("can be nobody at all for a while: the end comes with the program's, not before", async () => {
    const terminal = await start("echo gone; exec <&- >&- 2>&-; sleep 0.3; exit 9");
    expect(await terminal.rest()).toBe("gone\r\n");
    expect(terminal.end).toMatchObject({ exitCode: 9, exited: true });
  });

  test("is told by SIGHUP that its leader has gone", async () => {
    const script = `sh -c 'trap "echo heard it; exit" HUP; echo up; while :; do sleep 0.02; done' & sleep 60`;
    const run = await startRun(daemon.url, { cmd: "sh", args: ["-c", script], pty: SIZE, envs: mark.envs });
    await untilPrinted(daemon.url, run.id, /up/);
    await signalRun(daemon.url, run.id, { signal: "SIGKILL", scope: "leader" });
    expect(await endedView(daemon.url, run.id)).toMatchObject({ ending: "signaled", signal: "SIGKILL" });
    await until(() => mark.holders().length === 0);
    expect(await outputOf(daemon.url, run.id)).toContain("heard it\r\n");
  });
});

/** Our ends of terminals. */
function openMasters(): number {
  return readdirSync("/proc/self/fd").filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).endsWith("/ptmx");
    } catch {
      return false; // the descriptor of this listing
    }
  }).length;
}

test("the end of the daemon leaves nothing of its terminals, neither programs nor descriptors", async () => {
  const own = await startTestDaemon();
  const envs = { ...mark.envs, TERM: "xterm" };
  const scripts = [
    "echo up; cat",
    "trap '' TERM HUP; echo up; while :; do sleep 0.02; done",
    "trap '' HUP; setsid sleep 60 & echo up; exec sleep 61",
    `tmux -S ${join(folder, "tmux-2")} -f /dev/null new-session 'echo u''p; sleep 62'`,
  ];
  const before = openMasters();
  const terminals = await Promise.all(
    scripts.map((script) => TerminalClient.start(own.url, script, { envs, headers: asRoot })),
  );
  await Promise.all(terminals.map((terminal) => terminal.until(/up/)));
  await own[Symbol.asyncDispose]();
  expect(mark.holders()).toEqual([]);
  expect(terminals.map(({ pid }) => processState(pid)).filter(Boolean)).toEqual([]);
  await until(() => openMasters() === before);
});

test("nothing of all this was a bug of the daemon's: its log has none", () => {
  expect(daemon.log.filter(({ event }) => event === "bug")).toEqual([]);
});
