import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Process, Signal } from "../../src/contracts/gen/process_pb.js";
import { isRunning, processState } from "../../src/host/process-tree.ts";
import { startTestDaemon, type TestDaemon, until } from "../helpers/daemon.ts";
import { begin, bytesOf, call, mustCall, stream } from "../helpers/process-calls.ts";
import { SIZE, TerminalClient } from "./terminal-client.ts";

let daemon: TestDaemon;
beforeAll(async () => void (daemon = await startTestDaemon()));
afterAll(() => daemon[Symbol.asyncDispose]());

const start = (script: string, more: Record<string, unknown> = {}): Promise<TerminalClient> =>
  TerminalClient.start(daemon.url, script, more);

async function codeOf(promise: Promise<unknown>): Promise<string | undefined> {
  try {
    await promise;
    return "ok";
  } catch (error) {
    return Code[ConnectError.from(error).code];
  }
}

const refused = (message: string): unknown => [400, expect.objectContaining({ code: "failed_precondition", message })];

/** Prints its size whenever that changes; ends when it has read a line. */
const SHOWS_SIZE = "trap 'stty size' WINCH; echo ready; while :; do sleep 0.05; done";

describe.each([
  { name: "JSON", useBinaryFormat: false },
  { name: "protobuf", useBinaryFormat: true },
])("a terminal in $name", ({ useBinaryFormat }) => {
  test("is started, typed into, resized, and told of to the end", async () => {
    const client = createClient(
      Process,
      createConnectTransport({ baseUrl: daemon.url, httpVersion: "1.1", useBinaryFormat }),
    );
    const script = "stty size; read line; stty size; printf 'got %s\\n' $line; tty >&2; exit 3";
    const events = client.start({ process: { cmd: "sh", args: ["-c", script] }, pty: { size: SIZE } });
    let text = "";
    let process = { selector: { case: "pid" as const, value: 0 } };
    const others: unknown[] = [];
    for await (const { event } of events) {
      const message = event?.event;
      if (message?.case === "start") process = { selector: { case: "pid", value: message.value.pid } };
      if (message?.case !== "data") {
        others.push(message);
        continue;
      }
      const { output, offset } = message.value;
      expect([output.case, Number(offset ?? 0n)]).toEqual(["pty", text.length]);
      text += Buffer.from(output.value ?? []).toString("latin1");
      if (!text.endsWith("24 80\r\n")) continue;
      await client.update({ process, pty: { size: { cols: 132, rows: 50 } } });
      await client.sendInput({ process, input: { input: { case: "pty", value: Buffer.from("\u00e9\n") } } });
    }
    expect(Buffer.from(text, "latin1").toString()).toMatch(
      /^24 80\r\n\u00e9\r\n50 132\r\ngot \u00e9\r\n\/dev\/pts\/\d+\r\n$/,
    );
    expect(others).toMatchObject([
      { case: "start", value: { pid: process.selector.value } },
      { case: "end", value: { exitCode: 3, exited: true, status: "exit status 3", error: "exit status 3" } },
    ]);
  });

  test("is killed, resumed anywhere, and says no to what it cannot do", async () => {
    const client = createClient(
      Process,
      createConnectTransport({ baseUrl: daemon.url, httpVersion: "1.1", useBinaryFormat }),
    );
    const terminal = await start("printf 0123456789; sleep 60");
    await terminal.until(/9$/);
    const process = { selector: { case: "pid" as const, value: terminal.pid } };
    const stdin = { input: { input: { case: "stdin" as const, value: Buffer.from("x") } } };
    expect(await codeOf(client.sendInput({ process, ...stdin }))).toBe("FailedPrecondition");
    expect(await codeOf(client.closeStdin({ process }))).toBe("FailedPrecondition");
    expect(await codeOf(client.update({ process }))).toBe("ok");
    await client.sendSignal({ process, signal: Signal.SIGKILL });
    expect([await terminal.rest(), terminal.end]).toMatchObject(["0123456789", { error: "signal: killed" }]);
    expect(await codeOf(client.update({ process, pty: { size: SIZE } }))).toBe("NotFound");

    let text = "";
    for await (const { event } of client.connect({ process, resumeFrom: { pty: 4n } })) {
      if (event?.event.case === "data") text += Buffer.from(event.event.value.output.value ?? []).toString();
    }
    expect(text).toBe("456789");
  });
});

describe("the size", () => {
  test.each([
    ["is nothing where none is given", {}, "0 0"],
    ["is nothing where it is empty", { size: {} }, "0 0"],
    ["may have one side only", { size: { cols: 80 } }, "0 80"],
    ["is cut to sixteen bits", { size: { cols: 65_536 + 80, rows: 65_535 } }, "65535 80"],
  ])("%s", async (_what, pty, shown) => {
    const terminal = await start("stty size", { pty });
    expect(await terminal.rest()).toBe(`${shown}\r\n`);
  });

  test("follows Update, and who reads is not needed for that", async () => {
    const terminal = await start(SHOWS_SIZE);
    await terminal.until(/ready/);
    for (let cols = 100; cols < 110; cols += 1) {
      await terminal.resize(cols, 30);
      await terminal.until(new RegExp(`30 ${cols}\r\n$`));
    }
    // The same once more is no change, nothing given is nothing to do.
    await terminal.resize(109, 30);
    await mustCall(daemon.url, "Update", { process: { pid: terminal.pid } });
    await terminal.resize(1, 2);
    expect((await terminal.until(/30 109\r\n(?!$)([^]*)$/))[1]).toBe("2 1\r\n");
    await terminal.kill();
  });

  test("of something without a terminal cannot be set", async () => {
    const program = await begin(daemon.url, { process: { cmd: "sleep", args: ["60"] } });
    const process = { pid: program.pid };
    expect((await call(daemon.url, "Update", { process })).text).toBe("{}");
    const { status, text } = await call(daemon.url, "Update", { process, pty: { size: SIZE } });
    expect([status, JSON.parse(text)]).toMatchObject([
      500,
      { code: "internal", message: "error resizing tty: tty not assigned to process" },
    ]);
    await mustCall(daemon.url, "SendSignal", { process, signal: "SIGNAL_SIGKILL" });
    await program.rest();
    for (const message of [{ process }, { process, pty: { size: SIZE } }])
      expect((await call(daemon.url, "Update", message)).status).toBe(404);
  });
});

describe("input of the wrong kind", () => {
  test("is refused with what to do instead", async () => {
    const terminal = await start("read line; echo got $line");
    const program = await begin(daemon.url, { process: { cmd: "cat" }, stdin: true });
    const send = async (method: string, pid: number, input?: object): Promise<unknown> => {
      const { status, text } = await call(daemon.url, method, { process: { pid }, ...(input && { input }) });
      return [status, JSON.parse(text)];
    };
    expect(await send("SendInput", terminal.pid, { stdin: "eA==" })).toEqual(
      refused("error writing to stdin: tty assigned to process — input should be written to the pty, not the stdin"),
    );
    expect(await send("SendInput", program.pid, { pty: "eA==" })).toEqual(
      refused("error writing to tty: tty not assigned to process — input should be written to the stdin, not the tty"),
    );
    expect(await send("CloseStdin", terminal.pid)).toEqual(
      refused("error closing stdin: cannot close stdin for PTY process — send Ctrl+D (0x04) instead"),
    );
    await terminal.type("it\n");
    expect(await terminal.rest()).toBe("it\r\ngot it\r\n");
    expect(await send("SendInput", terminal.pid, { pty: "eA==" })).toMatchObject([404, { code: "not_found" }]);
    await mustCall(daemon.url, "CloseStdin", { process: { pid: program.pid } });
    await program.rest();
  });

  test("Ctrl+D is the end of what is typed, and `stdin: false` means nothing to a terminal", async () => {
    const terminal = await start("echo ready; cat; echo end", { stdin: false });
    await terminal.until(/ready/);
    await terminal.type("one\n\u0004");
    expect(await terminal.rest()).toBe("ready\r\none\r\none\r\nend\r\n");
  });
});

describe("the end of a terminal", () => {
  test.each([
    ["exit 0", { exitCode: 0, exited: true, status: "exit status 0" }],
    ["exit 255", { exitCode: 255, exited: true, status: "exit status 255", error: "exit status 255" }],
    ["kill -HUP $$", { exitCode: -1, exited: false, status: "signal: hangup", error: "signal: hangup" }],
  ])("is that of its program: %s", async (script, end) => {
    const terminal = await start(`printf '%05000d' 0; ${script}`);
    expect(await terminal.rest()).toBe("0".repeat(5000));
    expect([terminal.end, terminal.close]).toEqual([end, "ok"]);
  });

  test.each([
    ["no-such-command", 127, "no-such-command: not found\r\n"],
    ["/tmp", 126, "/tmp: Permission denied\r\n"],
  ])("of a command that cannot be run is told in it: %s", async (cmd, exitCode, message) => {
    const events = await stream(daemon.url, "Start", { process: { cmd, cwd: "/" }, pty: { size: SIZE } });
    expect(bytesOf(events, "pty").toString()).toBe(message);
    expect(events.find(({ end }) => end)?.end).toMatchObject({ exitCode, exited: true });
  });

  test("at the deadline of the call is the caller's error; what was printed until then has come", async () => {
    const terminal = await start("printf before; sleep 60", { headers: { "Connect-Timeout-Ms": "1500" } });
    expect(await terminal.rest()).toBe("before");
    expect([terminal.end, terminal.close]).toMatchObject([undefined, { code: "deadline_exceeded" }]);
    await until(() => processState(terminal.pid) === undefined);
  });

  test("after SIGTERM comes with its program's last words", async () => {
    const terminal = await start("trap 'echo last words; exit 4' TERM; echo up; while :; do sleep 0.02; done");
    await terminal.until(/up/);
    await mustCall(daemon.url, "SendSignal", { process: { pid: terminal.pid }, signal: "SIGNAL_SIGTERM" });
    expect(await terminal.rest()).toMatch(/last words\r\n$/);
    expect(terminal.end?.exitCode).toBe(4);
  });
});

describe("connecting again", () => {
  test("gives what nobody has received, then what comes", async () => {
    const terminal = await start("printf first; read a; printf second; read b; printf third");
    await terminal.until(/first/);
    terminal.leave();
    await terminal.type("x\n");
    const again = await TerminalClient.connect(daemon.url, terminal.pid);
    await again.until(/second/);
    await again.type("y\n");
    expect(await again.rest()).toMatch(/^(first)?x\r\nsecondy\r\nthird$/);
  });

  test("at an offset gives just that, also after the end; one in the future is refused", async () => {
    const terminal = await start("printf 0123456789; read x; printf abc");
    await terminal.until(/9/);
    terminal.leave();
    const offsets = { stdout: "0", stderr: "0", pty: "7" };
    const again = await TerminalClient.connect(daemon.url, terminal.pid, { pty: 7 });
    expect(again.offsets).toEqual(offsets);
    await again.until(/^789/);
    await again.type("\n");
    expect(await again.rest()).toBe("789\r\nabc");
    expect(await (await TerminalClient.connect(daemon.url, terminal.pid, { pty: "12" })).rest()).toBe("abc");
    const future = await TerminalClient.connect(daemon.url, terminal.pid, { pty: 16 });
    expect([future.text, future.close]).toMatchObject(["", { code: "invalid_argument" }]);
  });

  test("is done by any number at once, and all may type", async () => {
    const terminal = await start("stty -echo; echo ready; for i in 1 2 3; do read x; echo got $x; done");
    await terminal.until(/ready/);
    const viewers = [1, 2].map(() => TerminalClient.connect(daemon.url, terminal.pid, { pty: 0 }));
    const all = [terminal, ...(await Promise.all(viewers))];
    for (const [index, viewer] of all.entries()) {
      await viewer.type(`${index}\n`);
      await Promise.all(all.map((one) => one.until(new RegExp(`got ${index}\r\n`))));
    }
    expect(new Set(await Promise.all(all.map((one) => one.rest())))).toEqual(
      new Set(["ready\r\ngot 0\r\ngot 1\r\ngot 2\r\n"]),
    );
  });

  test("a client that went away is no hangup", async () => {
    const terminal = await start("trap 'echo hangup' HUP; echo up; read x; echo got $x");
    await terminal.until(/up/);
    terminal.leave();
    const again = await TerminalClient.connect(daemon.url, terminal.pid, { pty: 0 });
    expect(isRunning(terminal.pid)).toBe(true);
    await again.type("it\n");
    expect(await again.rest()).toBe("up\r\nit\r\ngot it\r\n");
  });
});

test("nothing of all this was a bug of the daemon's: its log has none", () => {
  expect(daemon.log.filter(({ event }) => event === "bug")).toEqual([]);
});
