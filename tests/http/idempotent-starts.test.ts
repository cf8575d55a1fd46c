import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type BuiltDaemon, startBuiltDaemon } from "../helpers/built-daemon.ts";
import { startTestDaemon, until } from "../helpers/daemon.ts";
import { Random, seedOfThisRun } from "../helpers/random.ts";

/** A start as its bytes on the wire. */
interface Start {
  method: "POST" | "PUT";
  path: string;
  headers: Record<string, string>;
  body: string;
}

interface Answer {
  status: number;
  runId: string | undefined;
  body: string;
}

/** When a client goes away: in the middle of the headers, of the body, right after it, or with the first bytes of an answer. */
const MOMENTS = ["headers", "body", "asked", "answered"] as const;
type Moment = (typeof MOMENTS)[number];

const CLIENTS = 50;
const random = new Random(seedOfThisRun());

let folder = "";
let started = "";
let go = "";
/** Says in a file that it was started, prints, and goes on when it is told to. */
let script = "";
let output = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "guestd-once-"));
  chmodSync(folder, 0o777); // programs belong to the account `user`
  started = join(folder, "started");
  go = join(folder, "go");
  script = `echo started >> ${started}; echo first; while [ ! -e ${go} ]; do sleep 0.02; done; seq 1 20000; exit 3`;
  output = `first\n${Array.from({ length: 20_000 }, (_, index) => `${index + 1}\n`).join("")}`;
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Sends `start` and goes away at `moment`, half of the time with a reset; resolves when the connection is closed. */
async function askAndLeave(url: string, start: Start, moment: Moment): Promise<void> {
  const { hostname, port, host } = new URL(url);
  const head = [
    `${start.method} ${start.path} HTTP/1.1`,
    `Host: ${host}`,
    ...Object.entries(start.headers).map(([name, value]) => `${name}: ${value}`),
    `Content-Length: ${Buffer.byteLength(start.body)}`,
  ].join("\r\n");
  const whole = `${head}\r\n\r\n${start.body}`;
  const sentBytes = {
    headers: 1 + random.below(head.length),
    body: head.length + 4 + random.below(start.body.length),
    asked: whole.length,
    answered: whole.length,
  }[moment];
  const isReset = random.chance(0.5);
  const socket: Socket = connect(Number(port), hostname);
  const leave = (): unknown => (isReset ? socket.resetAndDestroy() : socket.destroySoon());
  const closed = new Promise((resolve) => socket.once("close", resolve));
  socket.on("error", () => undefined);
  if (moment === "answered") socket.once("data", leave).once("end", leave);
  socket.write(whole.slice(0, sentBytes), () => moment !== "answered" && leave());
  await closed;
}

/** Sends `start` on a connection of its own and takes the whole answer. */
async function ask(url: string, { method, path, headers, body }: Start): Promise<Answer> {
  return new Promise((resolve, reject) => {
    request(`${url}${path}`, { method, headers, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response
        .on("data", (chunk: Buffer) => chunks.push(chunk))
        .on("error", reject)
        .on("end", () =>
          resolve({
            status: response.statusCode ?? 0,
            runId: response.headers["guestd-run-id"] as string | undefined,
            body: Buffer.concat(chunks).toString(),
          }),
        );
    })
      .on("error", reject)
      .end(body);
  });
}

const KEYED = { "Idempotency-Key": "order 1" };
const FACES: [string, { startOf: () => Start; outputOf: (body: string) => unknown; answersAtEnd?: true }][] = [
  [
    "its output as it comes",
    {
      startOf: () => ({ method: "POST", path: "/v1/run?status=1", headers: KEYED, body: script }),
      outputOf: (body) => body.replace(/exit code 3\n$/, ""),
    },
  ],
  [
    "events",
    {
      startOf: () => ({
        method: "POST",
        path: "/v1/run",
        headers: { ...KEYED, Accept: "application/x-ndjson" },
        body: script,
      }),
      outputOf: (body) =>
        body
          .trim()
          .split("\n")
          .map((line) => JSON.parse(line) as { type: string; text?: string })
          .map(({ text }) => text ?? "")
          .join(""),
    },
  ],
  [
    "one answer at the end",
    {
      startOf: () => ({
        method: "POST",
        path: "/v1/run",
        headers: { ...KEYED, Accept: "application/json", "Content-Type": "application/json" },
        body: JSON.stringify({ cmd: "sh", args: ["-c", script] }),
      }),
      outputOf: (body) => (JSON.parse(body) as { stdout: string }).stdout,
      answersAtEnd: true,
    },
  ],
  [
    "its input in the body",
    {
      startOf: () => ({ method: "PUT", path: "/v1/run?cmd=sh", headers: KEYED, body: script }),
      outputOf: (body) => body,
    },
  ],
];

describe(`a start that ${CLIENTS} clients ask for at once with one key, half of whom go away (seed ${random.seed})`, () => {
  let daemon: BuiltDaemon;
  beforeEach(async () => {
    daemon = await startBuiltDaemon({ argv: ["--kernels", "python"] });
  });
  afterEach(async () => daemon?.[Symbol.asyncDispose]());

  test.each(FACES)("happens once: %s", async (_name, { startOf, outputOf, answersAtEnd = false }) => {
    const wanted = startOf();
    const cut = Array.from({ length: CLIENTS / 2 }, (_, index) => MOMENTS[index % MOMENTS.length] as Moment);
    // The first of all is one that goes away with its run just asked for.
    const left = [askAndLeave(daemon.url, wanted, "asked")];
    const answers: Promise<Answer>[] = [];
    const leftAtEnd: Promise<void>[] = [];
    for (const moment of cut.slice(1)) {
      const isAtEnd = moment === "answered" && answersAtEnd;
      (isAtEnd ? leftAtEnd : left).push(askAndLeave(daemon.url, wanted, moment));
      answers.push(ask(daemon.url, wanted));
    }
    answers.push(ask(daemon.url, wanted));
    await Promise.all(left);
    writeFileSync(go, "");
    await Promise.all(leftAtEnd);

    const stayed = await Promise.all(answers);
    expect(stayed).toHaveLength(CLIENTS / 2);
    const retried = await Promise.all(cut.map(() => ask(daemon.url, wanted)));
    const { runs } = (await (await fetch(`${daemon.url}/v1/runs`)).json()) as { runs: { id: string }[] };
    expect(runs).toMatchObject([{ state: "ended", ending: "exited", exitCode: 3 }]);
    for (const { status, runId, body } of [...stayed, ...retried]) {
      expect([status, runId]).toEqual([200, runs[0]?.id]);
      expect(outputOf(body) === output, `all of the output, not ${body.length} bytes: ${body.slice(0, 200)}`).toBe(
        true,
      );
    }
    expect(readFileSync(started, "utf8")).toBe("started\n");
    expect(daemon.log.filter(({ level }) => level === "error")).toEqual([]);
  });

  test("happens once: in the background", async () => {
    const wanted: Start = { method: "POST", path: "/v1/run?background=1", headers: KEYED, body: script };
    const left = [askAndLeave(daemon.url, wanted, "asked")];
    const answers: Promise<Answer>[] = [];
    for (let index = 1; index <= CLIENTS / 2; index += 1) {
      answers.push(ask(daemon.url, wanted));
      if (index < CLIENTS / 2) left.push(askAndLeave(daemon.url, wanted, MOMENTS[index % MOMENTS.length] as Moment));
    }
    const stayed = await Promise.all(answers);
    await Promise.all(left);
    const retried = await Promise.all(left.map(() => ask(daemon.url, wanted)));
    expect(new Set([...stayed, ...retried].map(({ status, runId }) => `${status} ${runId}`)).size).toBe(1);
    expect(stayed[0]?.status).toBe(202);
    writeFileSync(go, "");
    const log = await fetch(`${daemon.url}/v1/runs/${stayed[0]?.runId}/log?follow=1`);
    expect((await log.text()) === output).toBe(true);
    expect(readFileSync(started, "utf8")).toBe("started\n");
  });
});

function plainStart(): Start {
  return { method: "POST", path: "/v1/run", headers: KEYED, body: script };
}

describe("a start that is repeated with its key", () => {
  test("when its run was forgotten does not start again, and is told so, with how it ended", async () => {
    await using daemon = await startTestDaemon({ argv: ["--kept-runs", "1"] });
    writeFileSync(go, "");
    const first = await ask(daemon.url, plainStart());
    expect([first.status, first.body === output]).toEqual([200, true]);
    await fetch(`${daemon.url}/v1/run`, { method: "POST", body: "true" });
    for (let time = 0; time < 2; time += 1) {
      const again = await ask(daemon.url, plainStart());
      expect(JSON.parse(again.body)).toMatchObject({
        status: 410,
        code: "not_found",
        reason: "run_forgotten",
        detail: `Idempotency-Key "order 1" has started run ${first.runId}, which was forgotten; its end: exit code 3`,
        hint: expect.stringContaining("new key") as string,
      });
    }
    const mismatch = await ask(daemon.url, { ...plainStart(), body: "true" });
    expect([mismatch.status, JSON.parse(mismatch.body)]).toMatchObject([422, { reason: "idempotency_mismatch" }]);
    expect(readFileSync(started, "utf8")).toBe("started\n");
  });

  test("is the same start by whatever name it has reached the sandbox", async () => {
    await using daemon = await startTestDaemon();
    writeFileSync(go, "");
    const first = await ask(daemon.url, plainStart());
    const { port } = new URL(daemon.url);
    const again = await ask(daemon.url, { ...plainStart(), headers: { ...KEYED, Host: `localhost:${port}` } });
    expect([again.runId, again.body === output]).toEqual([first.runId, true]);
    expect(readFileSync(started, "utf8")).toBe("started\n");
    const other = await ask(daemon.url, { ...plainStart(), path: "/v1/run?status=1" });
    expect(other.status).toBe(422);
  });

  test("has a key that is not empty", async () => {
    await using daemon = await startTestDaemon();
    const refused = await ask(daemon.url, { ...plainStart(), headers: { "Idempotency-Key": "" } });
    expect([refused.status, JSON.parse(refused.body)]).toMatchObject([400, { code: "invalid_argument" }]);
    expect(existsSync(started)).toBe(false);
  });

  test("when its run was removed is no start either", async () => {
    await using daemon = await startTestDaemon();
    const first = await ask(daemon.url, { ...plainStart(), path: "/v1/run?background=1" });
    expect((await fetch(`${daemon.url}/v1/runs/${first.runId}`, { method: "DELETE" })).status).toBe(200);
    const again = await ask(daemon.url, { ...plainStart(), path: "/v1/run?background=1" });
    expect([again.status, JSON.parse(again.body)]).toMatchObject([
      410,
      { reason: "run_forgotten", detail: expect.stringContaining("cancelled DELETE /v1/runs/") as string },
    ]);
  });

  test("is tried again when it could not be started", async () => {
    await using daemon = await startTestDaemon();
    const cwd = join(folder, "later");
    const late = { ...plainStart(), path: `/v1/run?cwd=${cwd}`, body: "echo there" };
    expect((await ask(daemon.url, late)).status).toBe(400);
    await fetch(`${daemon.url}/v1/run`, { method: "POST", body: `mkdir ${cwd}` });
    expect(await ask(daemon.url, late)).toMatchObject({ status: 200, body: "there\n" });
  });

  test("and wants one answer at the end gets it, though the output waits for a reader that has gone", async () => {
    await using daemon = await startTestDaemon({
      argv: ["--run-memory-bytes", "65536", "--run-disk-bytes", "65536", "--log-overflow", "wait"],
    });
    writeFileSync(go, "");
    const flood = { ...plainStart(), body: `echo started >> ${started}; seq 1 1000000` };
    await askAndLeave(daemon.url, flood, "answered");
    const [run] = ((await (await daemon.fetch("/v1/runs")).json()) as { runs: { id: string }[] }).runs;
    // It waits: what it has printed does not grow any more.
    let end = -1;
    await until(async () => {
      const view = (await (await daemon.fetch(`/v1/runs/${run?.id}`)).json()) as { log: { stdout: { end: number } } };
      const isSame = view.log.stdout.end === end;
      end = view.log.stdout.end;
      return isSame;
    });
    expect(end).toBeLessThan(6_888_896);
    const again = await ask(daemon.url, { ...flood, headers: { ...KEYED, Accept: "application/json" } });
    expect(JSON.parse(again.body)).toMatchObject({
      id: run?.id,
      ending: "exited",
      stdout: expect.stringMatching(/\n1000000\n$/) as string,
    });
    expect(readFileSync(started, "utf8")).toBe("started\n");
  });
});
