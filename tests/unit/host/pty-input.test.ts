import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, constants, createReadStream, openSync } from "node:fs";
import { createHash, randomBytes } from "node:crypto";
import { setImmediate as turn } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { PtyInput } from "../../../src/host/pty-input.ts";
import { openTerminal, type Terminal } from "../../../src/host/pty.ts";
import { MAX_QUEUED_BYTES } from "../../../src/host/program-input.ts";

const MIB = 1024 * 1024;
const CLOSED = { code: "failed_precondition", reason: "stdin_closed" };

let terminal: Terminal;
let input: PtyInput;
let theirs = 0;

beforeEach(async () => {
  ({ terminal, theirs } = await openTerminal({ cols: 80, rows: 24 }));
  spawnSync("stty", ["-F", terminal.path, "raw", "-echo"]);
  input = new PtyInput(terminal.master);
});
afterEach(() => {
  input.destroy();
  terminal.release();
  closeSync(theirs);
  closeSync(terminal.master);
});

/** Reads `bytes` of what was typed and resolves with their hash. */
async function readTyped(bytes: number): Promise<string> {
  const reader = spawn("head", ["-c", String(bytes)], { stdio: [theirs, "pipe", "inherit"] });
  const hash = createHash("sha256");
  for await (const chunk of reader.stdout ?? []) hash.update(chunk as Buffer);
  return hash.digest("hex");
}

const hashOf = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

describe("what is typed", () => {
  test("arrives whole and in order, however much more it is than the terminal takes at once", async () => {
    const pieces = [randomBytes(3 * MIB), Buffer.from("x"), randomBytes(100_000), randomBytes(MIB)];
    const typed = Buffer.concat(pieces);
    const written = pieces.map((bytes) => input.write(bytes));
    expect(await readTyped(typed.length)).toBe(hashOf(typed));
    await Promise.all(written);
  });

  test("is told to be taken in the order it was typed in", async () => {
    const taken: number[] = [];
    const sizes = [200_000, 1, 50_000, 0, 3];
    const written = sizes.map((size, index) => input.write(Buffer.alloc(size)).then(() => taken.push(index)));
    await readTyped(250_004);
    await Promise.all(written);
    // Nothing to write is done at once.
    expect(taken).toEqual([3, 0, 1, 2, 4]);
  });

  test("does not stop the event loop while nobody reads", async () => {
    const writing = input.write(Buffer.alloc(MIB));
    const refused = expect(writing).rejects.toMatchObject(CLOSED);
    for (let turns = 0; turns < 1000; turns += 1) await turn();
    expect(await Promise.race([writing.then(() => "taken"), Promise.resolve("waits")])).toBe("waits");
    input.destroy();
    await refused;
  });
});

describe("the queue in front of a terminal that nobody reads", () => {
  test("is bounded: beyond that writes are refused, and taken again when there is room", async () => {
    const first = Buffer.alloc(MAX_QUEUED_BYTES, "a");
    const second = Buffer.alloc(MIB, "b");
    const written = [input.write(first), input.write(second)];
    await expect(input.write(Buffer.from("x"))).rejects.toMatchObject({
      code: "resource_exhausted",
      reason: "stdin_full",
    });
    expect(await readTyped(first.length + second.length)).toBe(hashOf(Buffer.concat([first, second])));
    await Promise.all(written);
    await input.write(Buffer.from("more"));
    expect(await readTyped(4)).toBe(hashOf(Buffer.from("more")));
  });

  test("tells all its writers when it is destroyed, and those who come later", async () => {
    const writing = [1, 2, 3].map(() => input.write(Buffer.alloc(100_000)));
    const refused = Promise.all(writing.map((write) => expect(write).rejects.toMatchObject(CLOSED)));
    input.destroy();
    input.destroy();
    await refused;
    await expect(input.write(Buffer.from("x"))).rejects.toMatchObject(CLOSED);
    await expect(input.write(Buffer.alloc(0))).rejects.toMatchObject(CLOSED);
  });
});

test("a terminal that is gone takes nothing, and its writers are told", async () => {
  const gone = await openTerminal({ cols: 80, rows: 24 });
  const typing = new PtyInput(gone.terminal.master);
  closeSync(gone.theirs);
  gone.terminal.release();
  closeSync(gone.terminal.master);
  await expect(typing.write(Buffer.from("x"))).rejects.toMatchObject(CLOSED);
});

describe("a terminal", () => {
  test("has the size it was opened with and the one it was given, and tells whoever waits for that", async () => {
    const shown = (): string => spawnSync("stty", ["-F", terminal.path, "size"], { encoding: "utf8" }).stdout.trim();
    expect([terminal.size, shown()]).toEqual([{ cols: 80, rows: 24 }, "24 80"]);
    const told = terminal.resized(new AbortController().signal);
    terminal.resize({ cols: 65_535, rows: 1 });
    await told;
    expect([terminal.size, shown()]).toEqual([{ cols: 65_535, rows: 1 }, "1 65535"]);
  });

  test("is not resized any more after its program's end", () => {
    terminal.release();
    terminal.release();
    terminal.resize({ cols: 1, rows: 1 });
    expect(terminal.size).toEqual({ cols: 80, rows: 24 });
  });

  test("can be opened again as long as its program lives, also when the program has closed all of its own", async () => {
    const reader = createReadStream("", { fd: openSync(terminal.path, constants.O_RDONLY | constants.O_NOCTTY) });
    const [bytes] = await Promise.all([
      once(reader, "data").then(([chunk]) => chunk as Buffer),
      input.write(Buffer.from("hello")),
    ]);
    expect(bytes.toString()).toBe("hello");
    const closed = once(reader, "close");
    reader.destroy();
    await input.write(Buffer.from("x")); // wakes the reading that is still under way
    await closed;
  });
});
