import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type BuiltDaemon, startBuiltDaemon } from "../helpers/built-daemon.ts";
import { consoleExamples, ConsoleSession, isAsExpected } from "../helpers/console-examples.ts";
import { REPOSITORY, until } from "../helpers/daemon.ts";

let daemon: BuiltDaemon;
beforeAll(async () => {
  daemon = await startBuiltDaemon({ argv: ["--host", "127.0.0.1"] });
});
afterAll(async () => daemon?.[Symbol.asyncDispose]());

describe.each(["README.md", "docs/curl.md"])("%s", (document) => {
  const examples = consoleExamples(join(REPOSITORY, document));
  let printed: string[] = [];

  beforeAll(async () => {
    using session = new ConsoleSession(new URL(daemon.url).host.replace("localhost", "127.0.0.1"));
    writeFileSync(join(session.folder, "report.csv"), "0123456,8901234\n".repeat(128));
    printed = await session.run(examples);
  }, 180_000);

  test.each(examples.map((example, index) => [example.command, example, index] as const))(
    "%s",
    (_command, example, index) => {
      const { line, expected } = example;
      const actual = printed[index] ?? "it did not run";
      if (!isAsExpected(example, actual)) expect(actual, `line ${line} prints something else`).toBe(expected);
    },
  );
});

test.each([
  ["a\nb", "a\nb\n", true],
  ["a\nb", "a\nc\n", false],
  ['{"id":"…","n":1}', '{"id":"run_1","n":1}\n', true],
  ['{"id":"…","n":1}', '{"id":"run_1","n":2}\n', false],
  ["a\n…\nd", "a\nb\nc\nd", true],
  ["a\n…\nd", "a\nd", true],
  ["…\nd", "a\nb", false],
  ["at 2026-01-01 10:00.", "at 2027-12-31 23:59.", true],
  ["at 2026-01-01 10:00.", "at noon.", false],
  ["", "anything", false],
])("that %j should print %j is %s", (expected, actual, isRight) => {
  expect(isAsExpected({ line: 1, command: "", expected }, actual)).toBe(isRight);
});

interface Paths {
  paths: Record<string, Record<string, { responses: Record<string, unknown> }>>;
}

/** What the daemon's log says that was asked, and how it was answered, by operation of its document. */
async function answered(): Promise<{ name: string; documented: string[]; statuses: Set<string> }[]> {
  const { paths } = (await (await fetch(`${daemon.url}/openapi.json`)).json()) as Paths;
  return Object.entries(paths).flatMap(([path, methods]) => {
    const pattern = new RegExp(`^${path.replaceAll("{path}", ".*").replaceAll(/\{\w+\}/g, "[^/]+")}$`, "s");
    return Object.entries(methods).map(([method, { responses }]) => {
      const lines = daemon.log.filter(
        (line) =>
          line["event"] === "request" && line["method"] === method.toUpperCase() && pattern.test(String(line["path"])),
      );
      const statuses = new Set(lines.map((line) => String(line["status"])));
      return { name: `${method.toUpperCase()} ${path}`, documented: Object.keys(responses), statuses };
    });
  });
}

async function unasked(): Promise<string[]> {
  const natives = (await answered()).filter(({ name }) => name.includes(" /v1/"));
  return natives.filter(({ statuses }) => statuses.size === 0).map(({ name }) => name);
}

test("the documents ask every route of /v1", async () => {
  await until(async () => (await unasked()).length === 0, 2000).catch(() => undefined);
  expect(await unasked()).toEqual([]);
});

test("every good answer is one that the OpenAPI document has", async () => {
  for (const { name, documented, statuses } of await answered()) {
    const good = [...statuses].filter((status) => status.startsWith("2"));
    expect([name, documented]).toEqual([name, expect.arrayContaining(good)]);
  }
});
