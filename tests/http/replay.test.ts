import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, closeSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CellStream } from "../unit/kernels/cell-client.ts";
import { type CuttingProxy, startCuttingProxy } from "../helpers/cutting-proxy.ts";
import { startTestDaemon, type TestDaemon, until } from "../helpers/daemon.ts";
import { begin, mustCall } from "../helpers/process-calls.ts";
import { Random, seedOfThisRun } from "../helpers/random.ts";
import { readLog, readProcess, type Received } from "../helpers/resuming-reader.ts";

const LINE_BYTES = 10;
const TOTAL_BYTES = 50_000_000;
/** The source waits for its reader after each stage: all of it is read while it runs. */
const STAGES = 20;
const STAGE_BYTES = TOTAL_BYTES / STAGES;
const CUTS = 200;
/** Bytes on the wire for one of the output, a little less than there really are: 4/3 in base64. */
const JSON_WIRE_FACTOR = 1.33;

const seed = seedOfThisRun();
const random = new Random(seed);
let daemon: TestDaemon;
let folder = "";
let file = "";
let numbers: Buffer;

beforeAll(async () => {
  console.log(`replay: GUESTD_SEED=${seed}`);
  folder = mkdtempSync(join(tmpdir(), "guestd-replay-"));
  chmodSync(folder, 0o755);
  file = join(folder, "numbers");
  numbers = Buffer.from(
    Array.from(
      { length: TOTAL_BYTES / LINE_BYTES },
      (_, index) => `${String(index).padStart(LINE_BYTES - 1, "0")}\n`,
    ).join(""),
  );
  writeFileSync(file, numbers, { mode: 0o644 });
  daemon = await startTestDaemon({ kernels: "real", hasInterpreterPort: true, argv: ["--kernels", "python"] });
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const sha256From = (offset: number): string => createHash("sha256").update(numbers.subarray(offset)).digest("hex");

/** Everything from `offset` on has come, once, and all the cuts have been made. */
function check(received: Omit<Received, "end">, proxy: CuttingProxy, offset: number): void {
  expect(received).toMatchObject({ bytes: TOTAL_BYTES - offset, sha256: sha256From(offset) });
  expect([proxy.cuts, received.connections]).toEqual([CUTS, CUTS + 1]);
}

const proxyFor = (bytes: number): Promise<CuttingProxy> =>
  startCuttingProxy({ url: daemon.url, random, cuts: CUTS, overBytes: Math.floor(bytes) });

/** Calls `next` when a stage has been read to its end, except for the last. */
function atStageEnds(next: () => void): (position: number) => void {
  let stage = 1;
  return (position) => {
    if (stage === STAGES || position < stage * STAGE_BYTES) return;
    stage += 1;
    next();
  };
}

const script = `i=0; while [ $i -lt ${STAGES} ]; do
dd if="$0" bs=${STAGE_BYTES} skip=$i count=1 status=none; i=$((i+1)); [ $i -eq ${STAGES} ] || read go; done`;

describe.each([
  { name: "standard output", output: "stdout", request: { stdin: true }, prefix: "" },
  {
    name: "a terminal",
    output: "pty",
    request: { pty: { size: { cols: 80, rows: 24 } } },
    prefix: "stty raw -echo; ",
  },
] as const)("50 MB on $name, cut 200 times", ({ output, request, prefix }) => {
  let pid = 0;

  const read = async (proxy: CuttingProxy, offset: number, onProgress?: (position: number) => void) => {
    const options = { offset, ...(onProgress && { onProgress }) };
    const received = await readProcess(proxy.url, { pid }, output, options);
    expect(received.end).toMatchObject({ exitCode: 0 });
    return received;
  };

  test("comes whole and once while the program runs", async () => {
    await using proxy = await proxyFor(TOTAL_BYTES * JSON_WIRE_FACTOR);
    const process = { cmd: "/bin/sh", args: ["-c", `${prefix}${script}`, file], cwd: "/" };
    const live = await begin(daemon.url, { process, ...request });
    live.stream.destroy();
    ({ pid } = live);
    const input = { [output === "pty" ? "pty" : "stdin"]: Buffer.from("\n").toString("base64") };
    const inputs: Promise<void>[] = [];
    const next = atStageEnds(() => void inputs.push(mustCall(daemon.url, "SendInput", { process: { pid }, input })));
    check(await read(proxy, 0, next), proxy, 0);
    await Promise.all(inputs);
    expect(inputs).toHaveLength(STAGES - 1);
  });

  test("comes again after the end", async () => {
    await using proxy = await proxyFor(TOTAL_BYTES * JSON_WIRE_FACTOR);
    check(await read(proxy, 0), proxy, 0);
  });

  test("comes again from any byte", async () => {
    const offset = random.below(TOTAL_BYTES / 2);
    await using proxy = await proxyFor((TOTAL_BYTES - offset) * JSON_WIRE_FACTOR);
    check(await read(proxy, offset), proxy, offset);
  });
});

describe("50 MB of a Python cell, cut 200 times", () => {
  let runId = "";

  test("comes whole and once while the cell runs", async () => {
    await until(async () => (await fetch(`${daemon.interpreterUrl}/health`)).status === 200, 30_000);
    const gate = join(folder, "gate");
    execFileSync("mkfifo", ["-m", "666", gate]);
    const code = `import sys
with open(${JSON.stringify(file)}) as numbers, open(${JSON.stringify(gate)}) as gate:
    for stage in range(${STAGES}):
        sys.stdout.write(numbers.read(${STAGE_BYTES}))
        sys.stdout.flush()
        if stage < ${STAGES - 1}: gate.readline()
`;
    await using proxy = await proxyFor(TOTAL_BYTES);
    const cell = await CellStream.open(daemon.interpreterUrl, { code, language: "python" });
    runId = String(cell.headers["guestd-run-id"]);
    cell.response.resume();
    const ended = new Promise((resolve) => cell.response.once("end", resolve));
    const writer = openSync(gate, "r+");
    try {
      const onProgress = atStageEnds(() => writeSync(writer, "\n"));
      check(await readLog(proxy.url, runId, "stdout", { offset: 0, onProgress }), proxy, 0);
    } finally {
      closeSync(writer);
    }
    await ended;
  });

  test.each(["the beginning", "any byte"])("comes again after the end, from %s", async (from) => {
    const offset = from === "any byte" ? random.below(TOTAL_BYTES / 2) : 0;
    await using proxy = await proxyFor(TOTAL_BYTES - offset);
    check(await readLog(proxy.url, runId, "stdout", { offset }), proxy, offset);
  });
});
