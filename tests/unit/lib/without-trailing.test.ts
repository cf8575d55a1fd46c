import { expect, test } from "vitest";
import { splitPath } from "../../../src/filesystem/place.ts";
import { withoutSecrets } from "../../../src/git/credentials.ts";
import { withoutTrailing } from "../../../src/lib/without-trailing.ts";
import { cpuMilliseconds } from "../../helpers/cpu-milliseconds.ts";

test("what a text ends with is cut off, and nothing before that", () => {
  expect(["/a//b//", "//", "", "ab"].map((text) => withoutTrailing(text, "/"))).toEqual(["/a//b", "", "", "ab"]);
  expect(withoutTrailing("a/b\\/\\", "/\\")).toBe("a/b");
});

const LENGTH = 40_000;

/** What clients say of any length, as it is looked through: the longest form of each, and one of that length that has nothing to find. */
const USES: Record<string, { use: (text: string) => unknown; hostile: string; harmless: string }> = {
  "an address that ends with slashes": {
    use: (text) => withoutTrailing(text, "/\\"),
    hostile: `${"/".repeat(LENGTH)}a`,
    harmless: "a".repeat(LENGTH),
  },
  "the last name of a path": { use: splitPath, hostile: `${"/".repeat(LENGTH)}a`, harmless: "a".repeat(LENGTH) },
  "whether a setting is secret": {
    use: (key) => withoutSecrets({ key, value: "x" }),
    hostile: `a.${"pass".repeat(LENGTH / 4)}!.b`,
    harmless: `a.${"miss".repeat(LENGTH / 4)}!.b`,
  },
};

test.each(Object.entries(USES))("%s takes no time of another order", (_name, { use, hostile, harmless }) => {
  use(harmless);
  expect(cpuMilliseconds(() => use(hostile))).toBeLessThan(20 * (cpuMilliseconds(() => use(harmless)) + 2));
});
