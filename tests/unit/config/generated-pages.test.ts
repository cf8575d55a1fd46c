import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { PAGES } from "../../../docs.config.ts";
import { CONFIG_FIELDS } from "../../../src/config-fields.ts";
import { REASON_WORDS } from "../../../src/error-words.ts";
import type { ErrorReason } from "../../../src/errors.ts";

const root = join(import.meta.dirname, "..", "..", "..");

test.each(Object.entries(PAGES))("%s says what the sources say (npm run docs)", (path, page) => {
  expect(readFileSync(join(root, path), "utf8")).toBe(page());
});

test("every setting is on its page, once", () => {
  const rows = PAGES["docs/configuration.md"]?.().match(/^\| `--[\w-]+`<br>`\w+` /gm) ?? [];
  const expected = Object.values(CONFIG_FIELDS).map(({ flag, env }) => `| \`--${flag}\`<br>\`${env}\` `);
  expect(rows.toSorted()).toEqual(expected.toSorted());
});

test("reasons come with the codes that their page says", () => {
  const thrown = globSync("src/**/*.ts", { cwd: root }).flatMap((file) => {
    const source = readFileSync(join(root, file), "utf8");
    // An error and, before the next one, its reason.
    return [
      ...source.matchAll(/\bnew SandboxError\(\s*"(\w+)",(?:(?!\bnew SandboxError\(|\n\}).)*?\breason: "(\w+)"/gs),
    ];
  });
  expect(thrown.length).toBeGreaterThan(30);
  for (const [, code, reason] of thrown) {
    expect([reason, REASON_WORDS[reason as ErrorReason].codes]).toEqual([reason, expect.arrayContaining([code])]);
  }
});
