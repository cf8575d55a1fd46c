import { describe, expect, test } from "vitest";
import { createMerge, event, marker, out } from "./merges.ts";

type Wire = "stdout" | "stderr" | "events";

describe("an event", () => {
  test("waits until both streams have reached its marker", () => {
    const { merge, log } = createMerge();
    merge.pushEvent(event(1));
    merge.push("stdout", out(`a${marker(1)}b`));
    expect(log).toEqual(["o:a"]);
    merge.push("stderr", out(`c${marker(1)}d`));
    expect(log).toEqual(["o:a", "e:c", "event 1", "o:b", "e:d"]);
  });

  test("holds back the text behind it in both streams, however early that comes", () => {
    const { merge, log } = createMerge();
    merge.push("stdout", out(`a${marker(1)}b${marker(2)}c`));
    merge.push("stderr", out(`${marker(1)}${marker(2)}x`));
    expect(log).toEqual(["o:a"]);
    merge.pushEvent(event(1));
    expect(log).toEqual(["o:a", "event 1", "o:b"]);
    merge.pushEvent(event(2));
    expect(log).toEqual(["o:a", "event 1", "o:b", "event 2", "o:c", "e:x"]);
  });

  test("without a barrier waits for those before it, and for no text", () => {
    const { merge, log } = createMerge();
    merge.pushEvent({ barrier: 0, name: "free" });
    expect(log).toEqual(["free"]);
    merge.pushEvent(event(1));
    merge.pushEvent({ barrier: 0, name: "second" });
    expect(log).toEqual(["free"]);
    merge.push("stdout", out(marker(1)));
    merge.push("stderr", out(marker(1)));
    expect(log).toEqual(["free", "event 1", "second"]);
  });

  test("that got lost is stepped over, and its text comes before the next one", () => {
    const { merge, log } = createMerge();
    merge.push("stdout", out(`a${marker(1)}b${marker(2)}c${marker(3)}d`));
    merge.push("stderr", out(`${marker(1)}${marker(2)}${marker(3)}`));
    merge.pushEvent(event(3));
    expect(log).toEqual(["o:a", "o:b", "o:c", "event 3", "o:d"]);
  });

  test("whose marker got lost in one stream goes with the next marker there", () => {
    const { merge, log } = createMerge();
    merge.push("stdout", out(`a${marker(1)}b${marker(2)}c`));
    merge.pushEvent(event(1));
    merge.pushEvent(event(2));
    merge.push("stderr", out(`x${marker(2)}y`));
    expect(log.filter((line) => line.startsWith("event"))).toEqual(["event 1", "event 2"]);
    expect(log.indexOf("event 1")).toBeLessThan(log.indexOf("o:b"));
    expect(log.indexOf("event 2")).toBeLessThan(log.indexOf("e:y"));
  });

  test("that repeats the number of one before holds up nobody for ever", () => {
    const { merge, log } = createMerge();
    for (const number of [1, 2]) {
      merge.push("stdout", out(marker(number)));
      merge.push("stderr", out(marker(number)));
      merge.pushEvent(event(number));
    }
    merge.pushEvent({ barrier: 1, name: "forged" });
    merge.push("stdout", out(`t${marker(3)}`));
    merge.push("stderr", out(marker(3)));
    merge.pushEvent(event(3));
    expect(log.at(-1)).toBe("event 3");
  });
});

describe("ends of units", () => {
  test("stay where they are in their text", () => {
    const { merge, log } = createMerge();
    merge.push("stdout", out(`a${marker("")}b${marker(1)}c${marker("")}d`));
    merge.push("stderr", out(marker(1)));
    expect(log).toEqual(["o:a", "o|", "o:b"]);
    merge.pushEvent(event(1));
    expect(log).toEqual(["o:a", "o|", "o:b", "event 1", "o:c", "o|", "o:d"]);
  });
});

describe("flushing", () => {
  test("delivers everything there is, once, text before the events that wait for more", () => {
    const { merge, log } = createMerge();
    merge.push("stdout", out(`a${marker(1)}b${marker("")}\0`));
    merge.push("stderr", out("c\0\x1b]K;"));
    merge.pushEvent(event(1));
    merge.pushEvent(event(2));
    merge.flush();
    expect(log).toEqual(["o:a", "e:c", "o:b", "o|", "o:\0", "e:\0\x1b]K;", "event 1", "event 2"]);
    merge.flush();
    expect(log).toHaveLength(8);
  });
});

/** A small generator with a fixed seed: the same in every run. */
function randomNumbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** What a kernel says, step by step: text on a stream, the end of a unit, or an event with its markers. */
type Step = { text: string; stream: "stdout" | "stderr" } | { event: number };

function randomSteps(random: (below: number) => number, count: number): Step[] {
  let barrier = 0;
  return Array.from({ length: count }, (_, index) => {
    if (random(3) === 0) return { event: (barrier += 1) };
    return { stream: random(2) === 0 ? "stdout" : "stderr", text: `<${index}${random(4) === 0 ? "\0" : ""}>` };
  });
}

/** The three wires as the kernel filled them. `isLost` events never come out of theirs. */
function wiresOf(
  steps: readonly Step[],
  isLost: (event: number) => boolean,
): Record<Wire, Buffer> & { events: Buffer } {
  const parts: Record<Wire, Buffer[]> = { stdout: [], stderr: [], events: [] };
  for (const step of steps) {
    if ("event" in step) {
      parts.stdout.push(out(marker(step.event)));
      parts.stderr.push(out(marker(step.event)));
      if (!isLost(step.event)) parts.events.push(Buffer.from(`${step.event}\n`));
    } else parts[step.stream].push(out(step.text));
  }
  return {
    stdout: Buffer.concat(parts.stdout),
    stderr: Buffer.concat(parts.stderr),
    events: Buffer.concat(parts.events),
  };
}

/** Delivers the wires in random pieces in random order. */
function deliver(wires: Record<Wire, Buffer>, random: (below: number) => number): string[] {
  const { merge, log } = createMerge();
  const left = { ...wires };
  let heldLine = "";
  while (Object.values(left).some((rest) => rest.length > 0)) {
    const wire = (["stdout", "stderr", "events"] as const)[random(3)] ?? "stdout";
    const size = 1 + random(random(4) === 0 ? 200 : 9);
    const piece = Buffer.from(left[wire].subarray(0, size));
    left[wire] = left[wire].subarray(size);
    if (piece.length === 0) continue;
    if (wire !== "events") merge.push(wire, piece);
    else {
      const lines = (heldLine + piece.toString()).split("\n");
      heldLine = lines.pop() ?? "";
      for (const line of lines) merge.pushEvent(event(Number(line)));
    }
    piece.fill(0x58); // whoever kept it has X now
  }
  return log;
}

/** Texts of each stream between the events. */
function sections(log: readonly string[]): { name: string; stdout: string; stderr: string }[] {
  const found = [{ name: "", stdout: "", stderr: "" }];
  for (const line of log) {
    const last = found.at(-1);
    if (line.startsWith("event")) found.push({ name: line, stdout: "", stderr: "" });
    else if (last && line.startsWith("o:")) last.stdout += line.slice(2);
    else if (last && line.startsWith("e:")) last.stderr += line.slice(2);
  }
  return found;
}

function expectedSections(steps: readonly Step[], isLost: (event: number) => boolean): ReturnType<typeof sections> {
  const log = steps.flatMap((step) => {
    if ("event" in step) return isLost(step.event) ? [] : [`event ${step.event}`];
    return [`${step.stream === "stdout" ? "o" : "e"}:${step.text}`];
  });
  return sections(log);
}

describe("random interleavings", () => {
  test("keep every text in its stream and between the events it was printed between", () => {
    const random = randomNumbers(20_261_120);
    for (let round = 0; round < 400; round += 1) {
      const steps = randomSteps(random, 1 + random(40));
      expect(
        sections(
          deliver(
            wiresOf(steps, () => false),
            random,
          ),
        ),
      ).toEqual(expectedSections(steps, () => false));
    }
  });

  test("do so around events that got lost", () => {
    const random = randomNumbers(7);
    for (let round = 0; round < 300; round += 1) {
      const steps = [...randomSteps(random, 1 + random(40)), { event: 1_000_000 }];
      const lost = new Set(
        steps.flatMap((step) => ("event" in step && step.event < 1_000_000 && random(4) === 0 ? [step.event] : [])),
      );
      const isLost = (number: number): boolean => lost.has(number);
      expect(sections(deliver(wiresOf(steps, isLost), random))).toEqual(expectedSections(steps, isLost));
    }
  });
});
