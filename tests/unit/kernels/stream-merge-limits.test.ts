import { describe, expect, test } from "vitest";
import { StreamMerge } from "../../../src/kernels/stream-merge.ts";
import { createMerge, event, marker, NONCE, out, type TestEvent } from "./merges.ts";

const MIB = 1024 * 1024;
const FORGED = 999_999;
/** Markers are handed on when there are so many. */
const MANY = 16 * 1024 + 1;

const numbers = (first: number, count: number): number[] => Array.from({ length: count }, (_, index) => first + index);

/** What a merge has delivered of a stream, in pieces that are counted and not kept. */
function countingMerge(): { merge: StreamMerge<TestEvent>; bytes: () => number; events: string[]; texts: string[] } {
  let bytes = 0;
  const events: string[] = [];
  const texts: string[] = [];
  const merge = new StreamMerge<TestEvent>({
    nonce: NONCE,
    target: {
      onText: (_stream, text) => {
        bytes += text.length;
        if (text.length < 100) texts.push(text.toString());
      },
      onUnitEnd: () => undefined,
      onEvent: ({ name }) => {
        events.push(name);
        texts.push(name);
      },
    },
  });
  return { merge, bytes: () => bytes, events, texts };
}

describe("behind a forged marker", () => {
  test("text is held up to 16 MiB and then handed on, every byte of it", () => {
    const { merge, bytes } = countingMerge();
    const piece = Buffer.alloc(64 * 1024, "x");
    merge.push("stdout", out(marker(FORGED)));
    for (let sent = piece.length; sent <= 40 * MIB; sent += piece.length) {
      merge.push("stdout", piece);
      expect(sent - bytes()).toBeLessThanOrEqual(17 * MIB);
    }
    expect(bytes()).toBe(40 * MIB);
  });

  test("it comes in order, with its ends of units, and later text waits for nothing", () => {
    const { merge, log } = createMerge();
    merge.push("stdout", out(`a${marker(FORGED)}b${marker("")}c`));
    merge.push("stdout", Buffer.alloc(17 * MIB, "x"));
    merge.push("stdout", out("d"));
    expect(log.map((line) => line.slice(0, 3))).toEqual(["o:a", "o:b", "o|", "o:c", "o:x", "o:d"]);
  });

  test("events and text that come later are in order again", () => {
    const { merge, texts } = countingMerge();
    merge.push("stdout", out(marker(FORGED)));
    merge.push("stdout", Buffer.alloc(17 * MIB, "x"));
    merge.pushEvent(event(1));
    merge.push("stderr", out(marker(1)));
    expect(texts).toEqual([]);
    merge.push("stdout", out(`before${marker(1)}behind${marker(2)}last`));
    expect(texts).toEqual(["before", "event 1", "behind"]);
    merge.push("stderr", out(marker(2)));
    merge.pushEvent(event(2));
    expect(texts).toEqual(["before", "event 1", "behind", "event 2", "last"]);
  });

  test("an event whose own marker was there too comes as soon as the other stream has reached it", () => {
    const { merge, events } = countingMerge();
    merge.push("stdout", out(`${marker(1)}${marker(FORGED)}`));
    merge.push("stdout", Buffer.alloc(17 * MIB, "x"));
    merge.pushEvent(event(1));
    expect(events).toEqual([]);
    merge.push("stderr", out(marker(1)));
    expect(events).toEqual(["event 1"]);
  });

  test("text in tiny pieces is held no longer for that: markers cost more than they hold", () => {
    const { merge, bytes, events } = countingMerge();
    for (let number = FORGED; number < FORGED + 100_000; number += 100) {
      merge.push("stdout", out(Array.from({ length: 100 }, (_, index) => `${marker(number + index)}x`).join("")));
    }
    expect(bytes()).toBeGreaterThan(90_000);
    merge.push("stdout", out(marker(1)));
    merge.push("stderr", out(marker(1)));
    merge.pushEvent(event(1));
    expect(events).toEqual(["event 1"]);
  });

  test.each([
    ["larger", 1, numbers(FORGED, MANY)],
    ["smaller", MANY, numbers(1, MANY - 1)],
  ])(
    "an event does not wait for its marker when that was handed on behind many with %s numbers",
    (_name, own, forged) => {
      const { merge, events } = countingMerge();
      merge.push("stdout", out([...forged, own, FORGED].map(marker).join("")));
      merge.push("stderr", out(marker(own)));
      merge.pushEvent(event(own));
      expect(events).toEqual([`event ${own}`]);
    },
  );

  test("the last of very many events comes too, and the next one waits as ever", () => {
    const { merge, texts } = countingMerge();
    merge.push("stdout", out(marker(FORGED)));
    const late = numbers(1, MANY).filter((number) => {
      for (const stream of ["stdout", "stderr"] as const) merge.push(stream, out(marker(number)));
      merge.pushEvent(event(number));
      return texts.at(-1) !== `event ${number}`;
    });
    expect(late).toEqual([]);
    merge.pushEvent({ barrier: 0, name: "free" });
    merge.pushEvent(event(MANY + 1));
    merge.push("stderr", out(marker(MANY + 1)));
    merge.push("stdout", out("before"));
    expect(texts.slice(-2)).toEqual(["free", "before"]);
    merge.push("stdout", out(`${marker(MANY + 1)}behind`));
    expect(texts.slice(-2)).toEqual([`event ${MANY + 1}`, "behind"]);
  });

  test("an event that is forged too takes nothing from those whose markers were handed on before", () => {
    const { merge, events } = countingMerge();
    merge.push("stdout", out(numbers(1, MANY).map(marker).join("")));
    merge.push("stdout", out(marker(FORGED)));
    for (const number of [FORGED, 2, MANY]) {
      merge.push("stderr", out(marker(number)));
      merge.pushEvent(event(number));
      expect(events.at(-1)).toBe(`event ${number}`);
    }
  });

  test("events behind a forged one are held up to 64 MiB and then handed on, in order, and no large one alone is", () => {
    const { merge, events } = countingMerge();
    merge.pushEvent(event(FORGED), 100 * MIB);
    expect(events).toEqual([]);
    for (let number = 1; number <= 20; number += 1) merge.pushEvent(event(number), 10 * MIB);
    expect(events).toEqual([FORGED, ...Array.from({ length: 13 }, (_, index) => index + 1)].map((n) => `event ${n}`));
    merge.flush();
    expect(events).toHaveLength(21);
  });
});
