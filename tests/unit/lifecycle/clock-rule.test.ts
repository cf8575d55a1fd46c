import { describe, expect, test } from "vitest";
import { ClockRule } from "../../../src/lifecycle/clock-rule.ts";
import { createLogger } from "../../../src/log.ts";

const MS = 1_000_000n;
const NOW = 1_800_000_000_000n * MS;

/** A clock that stands still at {@link NOW} until it is set; `failure` is what setting it ends with. */
function watch(failure?: Error): { rule: ClockRule; set: bigint[]; log: Record<string, unknown>[] } {
  const [set, log]: [bigint[], Record<string, unknown>[]] = [[], []];
  const clock = {
    nowNs: () => set.at(-1) ?? NOW,
    set(ns: bigint) {
      if (failure) throw failure;
      set.push(ns);
    },
  };
  const write = (line: string): void => void log.push(JSON.parse(line) as Record<string, unknown>);
  return { rule: new ClockRule({ clock, log: createLogger({ level: "debug", format: "json", write }) }), set, log };
}

/** As if it had been said `agoMs` ago. */
const reading = (timeNs: bigint, agoMs = 0) => ({ timeNs, heardAtMs: performance.now() - agoMs });

describe("a clock is set", () => {
  test.each([
    ["far behind", 3_600_000n],
    ["a little behind", 60n],
    ["far ahead", -3_600_000n],
    ["more than 5 s ahead", -15_000n],
  ])("when it is %s", (_how, byMs) => {
    const { rule, set } = watch();
    rule.follow(reading(NOW + byMs * MS));
    expect(set).toHaveLength(1);
    const late = (set[0] ?? 0n) - (NOW + byMs * MS);
    expect([late >= 0n, late < 9_000n * MS]).toEqual([true, true]);
  });

  test("by the time that has gone by since we were told", () => {
    const { rule, set } = watch();
    rule.follow(reading(NOW, 10_000));
    expect((set[0] ?? 0n) >= NOW + 10_000n * MS).toBe(true);
    rule.follow(reading((set[0] ?? 0n) - 12_000n * MS, 10_000));
    expect(set).toHaveLength(1);
  });

  // In between the process may be held up: nothing here comes near the 50 ms.
  test.each([-1000n, -4_000n])("not when it is off by %i ms", (byMs) => {
    const { rule, set, log } = watch();
    rule.follow(reading(NOW + byMs * MS));
    expect([set, log]).toEqual([[], []]);
  });

  test("and the log says by how much", () => {
    const { rule, log } = watch();
    rule.follow(reading(NOW - 3_600_000n * MS));
    expect(log).toEqual([expect.objectContaining({ level: "info", event: "clock.set" })]);
    expect(Math.round(Number(log[0]?.["behindMs"]) / 1000)).toBe(-3600);
  });
});

test("a clock that cannot be set is told once", () => {
  const { rule, log } = watch(Object.assign(new Error("EPERM"), { code: "EPERM", errno: -1 }));
  for (let round = 0; round < 3; round += 1) rule.follow(reading(NOW + 1000n * MS));
  expect(log).toEqual([expect.objectContaining({ event: "clock.not_set", error: "operation not permitted" })]);
});
