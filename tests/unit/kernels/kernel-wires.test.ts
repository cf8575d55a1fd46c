import { describe, expect, test } from "vitest";
import { KernelWires } from "../../../src/kernels/kernel-wires.ts";
import type { CellStatus } from "../../../src/kernels/types.ts";

/** Wires with a cell that writes down what it is told. */
function createWires(byLine = false): {
  wires: KernelWires;
  heard: string[];
  beginCell: (id: string) => Promise<CellStatus | "died">;
  say: (event: Record<string, unknown>) => void;
  print: (text: string, stream?: "stdout" | "stderr") => boolean;
} {
  const wires = new KernelWires(byLine);
  const heard: string[] = [];
  let barrier = 0;
  const take = (stream: "stdout" | "stderr", text: string): boolean => wires.take(stream, Buffer.from(text, "latin1"));
  const beginCell = (id: string): Promise<CellStatus | "died"> => {
    const done = Promise.withResolvers<CellStatus | "died">();
    wires.cell = {
      id,
      done,
      sink: {
        hasRoom: true,
        text: (stream, bytes) => void heard.push(`${stream}:${bytes.toString("latin1")}`),
        event: ({ type }) => void heard.push(type),
      },
    };
    return done.promise;
  };
  const say = (event: Record<string, unknown>): void => {
    barrier += 1;
    for (const stream of ["stdout", "stderr"] as const) take(stream, `\0\x1b]K;${wires.nonce};${barrier}\x07`);
    wires.takeEvents(Buffer.from(`${JSON.stringify({ ...event, b: barrier })}\n`));
  };
  return { wires, heard, beginCell, say, print: (text, stream = "stdout") => take(stream, text) };
}

describe("a cell", () => {
  test("hears its text and events in order, and its end", async () => {
    const { heard, beginCell, say, print } = createWires();
    const done = beginCell("r");
    say({ ev: "start", id: "r", count: 1 });
    print("a");
    say({ ev: "result", id: "r", main: true, data: {} });
    print("b", "stderr");
    say({ ev: "end", id: "r", status: "error" });
    expect(await done).toBe("error");
    expect(heard).toEqual(["start", "stdout:a", "result", "stderr:b"]);
  });

  test("hears nothing that was meant for another one", () => {
    const { heard, beginCell, say } = createWires();
    void beginCell("mine");
    say({ ev: "result", id: "other", data: {} });
    say({ ev: "end", id: "other" });
    expect(heard).toEqual([]);
  });

  test("whose reader has enough stops all that the kernel says, or the rest would pile up behind the markers of what is stopped", () => {
    const { wires, heard, beginCell, say, print } = createWires(true);
    void beginCell("r");
    const event = (name: string, b: number): boolean =>
      wires.takeEvents(Buffer.from(`${JSON.stringify({ ev: "result", id: "r", main: false, data: { name }, b })}\n`));
    say({ ev: "start", id: "r", count: 1 });
    expect([print("a\n"), print("b\n", "stderr"), event("first", 0)]).toEqual([true, true, true]);
    Object.assign(wires.cell?.sink ?? {}, { hasRoom: false });
    expect(print("c\n", "stderr")).toBe(false);
    // Its event comes when stderr has reached the marker as well, which is stopped.
    expect(print(`\0\x1b]K;${wires.nonce};2\x07`)).toBe(false);
    expect([print("d\n"), event("second", 2), event("third", 3)]).toEqual([false, false, false]);
    expect(heard).toEqual(["start", "stdout:a\n", "stderr:b\n", "result", "stderr:c\n"]);
  });

  test("ends when the kernel dies, after what it said", async () => {
    const { wires, heard, beginCell, print } = createWires();
    const done = beginCell("r");
    print("last words");
    wires.close();
    expect([await done, heard]).toEqual(["died", ["stdout:last words"]]);
  });
});

describe("what is printed while no cell runs", () => {
  test("belongs to the next cell, right after its start", () => {
    const { heard, beginCell, say, print } = createWires();
    print("late");
    say({ ev: "end", id: "gone" });
    void beginCell("r");
    say({ ev: "start", id: "r", count: 1 });
    print("now");
    say({ ev: "result", id: "r", data: {} });
    expect(heard).toEqual(["start", "stdout:late", "stdout:now", "result"]);
  });

  test("begins right behind a cell's end", () => {
    const { wires, heard, beginCell, say, print } = createWires(true);
    void beginCell("r");
    say({ ev: "start", id: "r", count: 1 });
    // All before anybody who waits for the end gets to know of it.
    say({ ev: "end", id: "r" });
    print("late\n");
    expect(heard).toEqual(["start"]);
    wires.cell = undefined;
    void beginCell("s");
    say({ ev: "start", id: "s", count: 2 });
    expect(heard).toEqual(["start", "start", "stdout:late\n"]);
  });

  test("comes after the start also when the cell's request is on its way already, and in order", () => {
    const { heard, beginCell, say, print } = createWires(true);
    print("one\n");
    void beginCell("r");
    print("two\n");
    say({ ev: "start", id: "r", count: 1 });
    print("three\n");
    expect(heard).toEqual(["start", "stdout:one\n", "stdout:two\n", "stdout:three\n"]);
  });

  test("before the kernel is ready belongs to nobody", async () => {
    const { wires, heard, beginCell, say, print } = createWires();
    print("Welcome to Toy 1.0\n");
    say({ ev: "ready", engine: "toy", version: "1" });
    expect(await wires.ready.promise).toEqual({ engine: "toy", version: "1" });
    void beginCell("r");
    say({ ev: "start", id: "r", count: 1 });
    expect(heard).toEqual(["start"]);
  });

  test("is what a kernel that never gets ready is remembered by", () => {
    const { wires, print } = createWires();
    print("trying\nno such module\n", "stderr");
    wires.close();
    expect(wires.lastWords).toBe("no such module");
  });

  test("is kept up to a megabyte, the newest part", () => {
    const { heard, beginCell, say, print } = createWires();
    for (let index = 0; index < 100; index += 1) print(`${String(index % 10).repeat(32 * 1024)}\n`);
    void beginCell("r");
    say({ ev: "start", id: "r", count: 1 });
    const text = heard.map((line) => line.replace(/^\w+:/, "")).join("");
    expect(text.length).toBeLessThanOrEqual(1024 * 1024 + 10);
    expect(text.length).toBeGreaterThan(900 * 1024);
    expect(text.slice(-2)).toBe("9\n");
  });

  test("in many short lines is kept in bounds as well, the newest part", () => {
    const { heard, beginCell, say, print } = createWires(true);
    const count = 100_000;
    for (let line = 0; line < count; line += 1000) {
      print(Array.from({ length: 1000 }, (_, index) => `${line + index}\n`).join(""));
    }
    void beginCell("r");
    say({ ev: "start", id: "r", count: 1 });
    const numbers = heard.slice(1).map((line) => Number(line.slice("stdout:".length)));
    expect(numbers.length).toBeGreaterThan(1000);
    expect(numbers.length).toBeLessThan(50_000);
    expect(numbers).toEqual(Array.from(numbers, (_, index) => count - numbers.length + index));
  });

  test.each([false, true])("in many small pieces costs time in proportion to its size (by line: %s)", (byLine) => {
    // What `yes &` prints in a few milliseconds: all other clients of the daemon wait meanwhile.
    const costOf = (wires: number, blocks: number): number => {
      const began = performance.now();
      for (let count = 0; count < wires; count += 1) {
        const { print } = createWires(byLine);
        for (let index = 0; index < blocks; index += 1) print("y\n".repeat(2048));
      }
      return performance.now() - began;
    };
    // The same work in one heap and in sixteen small ones, in turn, so that a busy machine is as hard on both.
    const rounds = Array.from({ length: 8 }, () => ({ large: costOf(1, 64), small: costOf(16, 4) }));
    const best = (size: "large" | "small"): number => Math.min(...rounds.map((round) => round[size]));
    // 1 in proportion, 16 when each piece costs as much as all before it.
    expect(best("large") / best("small")).toBeLessThan(8);
  });
});
