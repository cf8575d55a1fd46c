import { createHash, randomBytes } from "node:crypto";
import { mkdtempDisposableSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTestDaemon, type TestDaemon, until } from "../helpers/daemon.ts";
import {
  endError,
  envelope,
  framesOf,
  JSON_STREAM,
  JSON_UNARY,
  outputOf,
  send,
  shell,
  WireStream,
} from "../unit/edge/connect/wire-client.ts";

let daemon: TestDaemon;
beforeAll(async () => void (daemon = await startTestDaemon()));
afterAll(async () => daemon[Symbol.asyncDispose]());

const base64 = (text: string): string => Buffer.from(text).toString("base64");

interface Answer {
  status: number;
  code: string | undefined;
  message: string | undefined;
}

async function call(method: string, message: unknown): Promise<Answer> {
  const { status, text } = await send(daemon.url, {
    path: `/process.Process/${method}`,
    headers: JSON_UNARY,
    body: JSON.stringify(message),
  });
  const { code, message: words } = JSON.parse(text) as Partial<Answer>;
  return { status, code, message: words };
}

async function streamInput(...messages: unknown[]): Promise<{ code: string; message: string } | undefined> {
  const body = Buffer.concat(messages.map((message) => envelope(message)));
  const reply = await send(daemon.url, { path: "/process.Process/StreamInput", headers: JSON_STREAM, body });
  const frames = framesOf(reply.body);
  if (!endError(frames))
    expect(frames.map(({ flags, json }) => [flags, json])).toEqual([
      [0, {}],
      [2, {}],
    ]);
  return endError(frames);
}

async function begin(
  message: unknown,
): Promise<{ process: { pid: number }; stream: WireStream; rest: () => Promise<string> }> {
  const stream = await WireStream.open(daemon.url, "/process.Process/Start", message);
  const [first] = await stream.until(() => true);
  const rest = async (): Promise<string> => outputOf(await stream.until(() => false));
  return { process: { pid: first?.start?.pid ?? 0 }, stream, rest };
}

const sendInput = (process: object, text: string): Promise<Answer> =>
  call("SendInput", { process, input: { stdin: base64(text) } });
const kill = (process: object): Promise<Answer> => call("SendSignal", { process, signal: "SIGNAL_SIGKILL" });

/** Sends large pieces one after the other to a program that tells their digest. */
async function hashInPieces(seed: number): Promise<void> {
  const { process, rest } = await begin(shell("sha256sum", { stdin: true }));
  const pieces = [1, 2, 3, 4].map((index) => Buffer.alloc(1_000_003 + seed, `${seed}${index}`));
  for (const piece of pieces) {
    expect((await call("SendInput", { process, input: { stdin: piece.toString("base64") } })).status).toBe(200);
  }
  await call("CloseStdin", { process });
  expect(await rest()).toContain(sha256(Buffer.concat(pieces)));
}

const sha256 = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");

describe("standard input", () => {
  test.each([
    ["absent", undefined, /^pipe:/],
    ["true", true, /^pipe:/],
    ["false", false, /^\/dev\/null$/],
  ])("when `stdin` is %s", async (_name, stdin, kind) => {
    const { rest } = await begin({ process: { cmd: "readlink", args: ["/proc/self/fd/0"] }, stdin });
    expect((await rest()).trim()).toMatch(kind);
  });

  test("takes what is sent, in order, and ends when it is closed; closing again is fine", async () => {
    const { process, rest } = await begin(shell("cat; echo end", { stdin: true }));
    for (let index = 0; index < 50; index += 1) expect((await sendInput(process, `${index} `)).status).toBe(200);
    expect((await call("CloseStdin", { process })).status).toBe(200);
    expect([200, 404]).toContain((await call("CloseStdin", { process })).status);
    expect(await rest()).toBe(`${Array.from({ length: 50 }, (_, index) => `${index} `).join("")}end\n`);
  });

  test("takes every byte there is", async () => {
    const { process, rest } = await begin(shell("cat", { stdin: true }));
    const all = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
    await call("SendInput", { process, input: { stdin: all.toString("base64") } });
    await call("CloseStdin", { process });
    expect(await rest()).toBe(all.toString("latin1"));
  });

  test("may be nothing", async () => {
    const { process, rest } = await begin(shell("cat", { stdin: true }));
    expect((await sendInput(process, "")).status).toBe(200);
    await call("CloseStdin", { process });
    expect(await rest()).toBe("");
  });

  test("that fills up in front of a program that does not read holds up neither its close, nor signals, nor other programs", async () => {
    const { process, stream } = await begin(shell("head -c 1 >/dev/null; echo begun; sleep 60", { stdin: true }));
    const stuck = sendInput(process, "x".repeat(10_000_000));
    await stream.until((event) => outputOf([event]) !== "");
    const { process: other, rest } = await begin(shell("cat", { stdin: true }));
    const began = performance.now();
    await sendInput(other, "quick");
    await call("CloseStdin", { process: other });
    expect(await rest()).toBe("quick");
    expect((await call("CloseStdin", { process })).status).toBe(200);
    expect((await kill(process)).status).toBe(200);
    expect(performance.now() - began).toBeLessThan(20_000);
    await stream.until(() => false);
    expect(await stuck).toMatchObject({ status: 400, code: "failed_precondition" });
  });

  test("of megabytes stays each program's own, also what a client has left behind", async () => {
    using folder = mkdtempDisposableSync(join(tmpdir(), "guestd-input-"));
    const go = join(folder.path, "go");
    const left = randomBytes(1_500_000);
    const { process, stream, rest } = await begin(
      shell('head -c 1 >/dev/null; mkfifo "$GO"; echo begun; read -r _ <"$GO"; sha256sum', {
        stdin: true,
        process: { envs: { GO: go } },
      }),
    );
    const leaver = new AbortController();
    const body = JSON.stringify({ process, input: { stdin: left.toString("base64") } });
    const request = { method: "POST", headers: JSON_UNARY, body, signal: leaver.signal };
    const abandoned = fetch(`${daemon.url}/process.Process/SendInput`, request).catch((error: unknown) => error);
    await stream.until((event) => outputOf([event]) !== "");
    leaver.abort();
    await abandoned;
    await Promise.all([0, 1, 2].map((index) => hashInPieces(index)));
    expect((await call("CloseStdin", { process })).status).toBe(200);
    writeFileSync(go, "\n");
    expect(await rest()).toContain(sha256(left.subarray(1)));
  });

  test("has a bound: beyond it the program must read first", async () => {
    const { process } = await begin(shell("sleep 60", { stdin: true }));
    const block = "x".repeat(10_000_000);
    const sent = [sendInput(process, block), sendInput(process, block)];
    let refused: Answer | undefined;
    // What is taken waits for the program; once both blocks have come, more is refused.
    await until(() => {
      sent.push(sendInput(process, "x"));
      void sent.at(-1)?.then((answer) => (refused ??= answer.status === 200 ? undefined : answer));
      return refused !== undefined;
    });
    expect(refused).toMatchObject({ status: 429, code: "resource_exhausted" });
    await kill(process);
    await Promise.all(sent);
  });

  test("of a program without one is refused, and so is what is no input at all", async () => {
    const { process } = await begin(shell("sleep 60"));
    expect(await sendInput(process, "x")).toMatchObject({ status: 400, code: "failed_precondition" });
    expect((await call("CloseStdin", { process })).status).toBe(200);
    expect(await call("SendInput", { process })).toMatchObject({ status: 501, message: "invalid input type <nil>" });
    expect(await call("SendInput", { process, input: {} })).toMatchObject({
      status: 501,
      message: "invalid input type <nil>",
    });
    expect(await call("SendInput", { process, input: { pty: base64("x") } })).toMatchObject({
      code: "failed_precondition",
      message: "error writing to tty: tty not assigned to process — input should be written to the stdin, not the tty",
    });
    expect(await call("SendInput", { process, input: { stdin: "!!" } })).toMatchObject({
      status: 400,
      code: "invalid_argument",
    });
    await kill(process);
  });

  test("of a program that has ended is not found", async () => {
    const { process, rest } = await begin(shell("exit 0", { stdin: true }));
    await rest();
    const answers = [
      await sendInput(process, "x"),
      await call("SendInput", { process }),
      await call("CloseStdin", { process }),
    ];
    for (const answer of answers) {
      expect(answer).toEqual({ status: 404, code: "not_found", message: `process with pid ${process.pid} not found` });
    }
  });

  test("that the program has closed is refused though the program lives", async () => {
    const { process, stream } = await begin(shell("exec <&-; echo closed; sleep 60", { stdin: true }));
    await stream.until((event) => outputOf([event]) === "closed\n");
    // Its shim closes the same pipe at about the same time.
    await until(async () => (await sendInput(process, "x")).status !== 200);
    expect(await sendInput(process, "x")).toMatchObject({ status: 400, code: "failed_precondition" });
    await kill(process);
  });
});

const data = (text: string): object => ({ data: { input: { stdin: base64(text) } } });

describe("input over one request", () => {
  test("goes to the program that the first message names, and to another one when that is named later", async () => {
    const [one, two] = await Promise.all([
      begin(shell("cat", { stdin: true, tag: "one" })),
      begin(shell("cat", { stdin: true })),
    ]);
    const error = await streamInput(
      { start: { process: { tag: "one" } } },
      data("a"),
      { keepalive: {} },
      data("b"),
      { start: { process: two.process } },
      data("c"),
    );
    expect(error).toBeUndefined();
    await Promise.all([call("CloseStdin", { process: one.process }), call("CloseStdin", { process: two.process })]);
    expect(await Promise.all([one.rest(), two.rest()])).toEqual(["ab", "c"]);
  });

  test("may be nothing at all", async () => {
    expect(await streamInput()).toBeUndefined();
  });

  test.each([
    ["data first", [{ data: { input: { stdin: "eA==" } } }], "invalid_argument", /start/],
    ["nobody named", [{ start: {} }], "unimplemented", /^invalid input type \*process\.ProcessSelector$/],
    [
      "somebody who is not there",
      [{ start: { process: { pid: 4_000_000 } } }],
      "not_found",
      /^process with pid 4000000 not found$/,
    ],
    ["an event that is none", [{}], "unimplemented", /^invalid event type/],
    ["no JSON", ["{"], "invalid_argument", /^unmarshal message: /],
  ])("is refused with %s", async (_name, messages, code, message) => {
    expect(await streamInput(...messages)).toEqual({ code, message: expect.stringMatching(message) as string });
  });

  test("is refused when the program ends meanwhile", async () => {
    const { process, rest } = await begin(shell("read line; exit 0", { stdin: true }));
    const block = data(`${"x".repeat(200_000)}\n`);
    const error = await streamInput({ start: { process } }, block, block, block, block);
    expect(["failed_precondition", "not_found"]).toContain(error?.code);
    await rest();
  });
});

test("nothing of all this was a bug of the daemon's: its log has none", () => {
  expect(daemon.log.filter(({ event }) => event === "bug")).toEqual([]);
});
