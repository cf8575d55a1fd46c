import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { TextUnits } from "../../../src/kernels/text-units.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function createUnits(byLine = false): { units: TextUnits; emitted: string[] } {
  const emitted: string[] = [];
  const units = new TextUnits({
    byLine,
    emit: (stream, bytes) => void emitted.push(`${stream}:${bytes.toString("latin1")}`),
  });
  return { units, emitted };
}

const text = (content: string): Buffer => Buffer.from(content, "latin1");

describe("writes", () => {
  test("that follow each other quickly are one unit", () => {
    const { units, emitted } = createUnits();
    units.write("stdout", text("a\n"));
    vi.advanceTimersByTime(5);
    units.write("stdout", text("b\n"));
    expect(emitted).toEqual([]);
    vi.advanceTimersByTime(10);
    expect(emitted).toEqual(["stdout:a\nb\n"]);
  });

  test("that are apart are units of their own", () => {
    const { units, emitted } = createUnits();
    units.write("stdout", text("a\n"));
    vi.advanceTimersByTime(20);
    units.write("stdout", text("b\n"));
    vi.advanceTimersByTime(20);
    expect(emitted).toEqual(["stdout:a\n", "stdout:b\n"]);
  });

  test("that make up one line are one unit, also when their program is held up between them", () => {
    const { units, emitted } = createUnits();
    units.write("stdout", text("[1]"));
    vi.advanceTimersByTime(60);
    units.write("stdout", text(' "Hello"'));
    units.write("stdout", text("\n"));
    vi.advanceTimersByTime(60);
    expect(emitted).toEqual(['stdout:[1] "Hello"\n']);
  });

  test("without a pause are not held back for long: the first one starts the clock", () => {
    const { units, emitted } = createUnits();
    for (let index = 0; index < 30; index += 1) {
      units.write("stdout", text("x\n"));
      vi.advanceTimersByTime(1);
    }
    expect(emitted.length).toBeGreaterThanOrEqual(2);
  });

  test("of the other stream end the unit, so that the order between them is kept", () => {
    const { units, emitted } = createUnits();
    units.write("stdout", text("a"));
    units.write("stderr", text("b"));
    units.write("stderr", text("c"));
    units.write("stdout", text("d"));
    units.flush();
    expect(emitted).toEqual(["stdout:a", "stderr:bc", "stdout:d"]);
  });

  test("are copied: their buffer may be used again", () => {
    const { units, emitted } = createUnits();
    const reused = text("first");
    units.write("stdout", reused);
    reused.fill("x");
    units.flush();
    expect(emitted).toEqual(["stdout:first"]);
  });

  test("of nothing are nothing", () => {
    const { units, emitted } = createUnits();
    units.write("stdout", text(""));
    units.flush();
    units.flush();
    vi.runAllTimers();
    expect([emitted, vi.getTimerCount()]).toEqual([[], 0]);
  });

  test("that are many are cut behind a line, and nothing is lost", () => {
    const { units, emitted } = createUnits();
    const line = `${"x".repeat(99)}\n`;
    const all = line.repeat(2000);
    for (let from = 0; from < all.length; from += 7001) units.write("stdout", text(all.slice(from, from + 7001)));
    units.flush();
    const cut = emitted.map((unit) => unit.slice("stdout:".length));
    expect(cut.join("")).toBe(all);
    expect(cut.filter((unit) => !unit.endsWith("\n"))).toEqual([]);
    expect(cut.length).toBeGreaterThan(3);
  });

  test("of a long line are one unit, and no more than 256 KiB of it are held", () => {
    const { units, emitted } = createUnits();
    for (let index = 0; index < 4; index += 1) units.write("stdout", Buffer.alloc(50_000, "x"));
    units.write("stdout", text("\n"));
    expect(emitted.map((unit) => unit.length)).toEqual(["stdout:".length + 200_001]);
    for (let index = 0; index < 8; index += 1) units.write("stdout", Buffer.alloc(64 * 1024, "x"));
    expect(emitted.slice(1).map((unit) => unit.length)).toEqual(Array(2).fill("stdout:".length + 256 * 1024));
  });
});

describe("by line", () => {
  test("each line is a unit, however many come in one write", () => {
    const { units, emitted } = createUnits(true);
    units.write("stdout", text("a\n\nb\n"));
    expect(emitted).toEqual(["stdout:a\n", "stdout:\n", "stdout:b\n"]);
  });

  test("a line that comes in several writes is still one", () => {
    const { units, emitted } = createUnits(true);
    units.write("stdout", text("hel"));
    units.write("stdout", text("lo\nwor"));
    units.write("stdout", text("ld\n"));
    expect(emitted).toEqual(["stdout:hello\n", "stdout:world\n"]);
  });

  test("a long line is one as well", () => {
    const { units, emitted } = createUnits(true);
    const line = `${"x".repeat(200_000)}\n`;
    for (let from = 0; from < line.length; from += 65_536) units.write("stdout", text(line.slice(from, from + 65_536)));
    units.write("stdout", text("next\n"));
    expect(emitted).toEqual([`stdout:${line}`, "stdout:next\n"]);
  });

  test("a prompt without a line end appears after a while", () => {
    const { units, emitted } = createUnits(true);
    units.write("stdout", text("name? "));
    vi.advanceTimersByTime(100);
    expect(emitted).toEqual(["stdout:name? "]);
  });
});

test("disposing gives what was held and leaves no timer", () => {
  const { units, emitted } = createUnits();
  units.write("stderr", text("rest"));
  units[Symbol.dispose]();
  expect([emitted, vi.getTimerCount()]).toEqual([["stderr:rest"], 0]);
});
