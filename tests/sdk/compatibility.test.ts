import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Sandbox } from "@e2b/code-interpreter";
import { beforeAll, describe, expect, test } from "vitest";
import { startBuiltDaemon } from "../helpers/built-daemon.ts";
import { codeOf, type CompatibilityRow, isSkipping, readCompatibilityPage } from "../helpers/compatibility-page.ts";
import { REPOSITORY } from "../helpers/daemon.ts";
import { javascriptSurface, packageVersions, pythonSurface, type Surface } from "../helpers/sdk-surface.ts";

const page = readCompatibilityPage();

/** What the tests call the objects of a class. */
const OBJECTS: Readonly<Record<string, string>> = {
  Filesystem: "files",
  WatchHandle: "handle",
  Commands: "commands",
  CommandHandle: "handle|first|second|again|server",
  CommandInputHandle: "stream",
  Pty: "pty",
  Git: "git",
  Sandbox: "\\w*[sS]andbox|connected|again",
};

function namesOf(surface: Surface): string[] {
  return [...surface].flatMap(([name, members]) => [...members].map((member) => `${name}.${member}`)).toSorted();
}

function onPage(pick: (row: CompatibilityRow) => readonly string[], prefix = "", rows = page.rows): string[] {
  return rows.flatMap((row) => pick(row).map((member) => `${prefix}${row.className}.${member}`)).toSorted();
}

test("what is commented out or skipped is no test", () => {
  expect(codeOf("a.b('http://x'); // files.read\n/* files.list\n */c", "js")).not.toContain("files");
  expect(codeOf('files.read("#")  # files.list', "python")).toBe('files.read("#")');
  const skipping = [
    "test.skip('x'",
    "describe.skip(",
    "it.todo(",
    "test.skipIf(true)",
    "@pytest.mark.skip",
    "pytest.skip(",
  ];
  expect(skipping.filter((text) => !isSkipping(text))).toEqual([]);
  expect(isSkipping('skipTest(context, "no overlay")')).toBe(false);
});

describe("the page of compatibility", () => {
  test("has the versions that are installed", () => {
    expect(page.versions).toEqual(packageVersions());
  });

  describe("has every public name of the SDKs and no others", () => {
    let javascript: Surface;
    beforeAll(async () => {
      await using daemon = await startBuiltDaemon({ argv: ["--kernels", "python"] });
      const sandbox = await Sandbox.create({ debug: true, sandboxUrl: daemon.url });
      const { files, commands, pty, git } = sandbox;
      const command = await commands.run("cat", { background: true, stdin: true });
      const watching = await files.watchDir("/tmp", () => undefined);
      const nowhere = { apiKey: `e2b_${"0".repeat(40)}` }; // lists ask nobody before their first page
      javascript = javascriptSurface({
        Sandbox: sandbox,
        Filesystem: files,
        WatchHandle: watching,
        Commands: commands,
        CommandHandle: command,
        Pty: pty,
        Git: git,
        SandboxPaginator: Sandbox.list(nowhere),
        SnapshotPaginator: Sandbox.listSnapshots(nowhere),
      });
      await watching.stop();
      await command.kill();
    });

    test("JavaScript", () => {
      expect(onPage(({ js }) => js)).toEqual(namesOf(javascript));
    });

    test("Python", () => {
      const python = pythonSurface();
      const [async, sync] = [true, false].map((isAsync) =>
        namesOf(new Map([...python].filter(([name]) => name.startsWith("Async") === isAsync))),
      );
      expect(onPage((row) => row.sync)).toEqual(sync);
      // Functions of a module, and what a template's ready check says, are neither.
      const shared = new Set(["functions", "ReadyCmd"]);
      const rows = page.rows.filter(({ className }) => !shared.has(className));
      expect(onPage((row) => row.async, "Async", rows)).toEqual(async);
    });
  });

  describe("names for all that works a test that does it", () => {
    const working = page.rows.filter(({ says }) => says.startsWith("works"));
    test.each(working.map((row) => [`${row.className}: ${[...row.js, ...row.sync, ...row.async][0]}`, row] as const))(
      "%s",
      (_name, { className, js, sync, async, tests }) => {
        const untested: string[] = [];
        for (const [language, names] of Object.entries({ js, sync, async })) {
          const texts = tests.filter((one) => one.language === language).map(({ path }) => textOf(path));
          for (const name of names) {
            const call = new RegExp(`\\b(?:${OBJECTS[className]})\\.${name}\\b`);
            if (!texts.some((text) => call.test(text))) untested.push(`${language} ${name}`);
          }
        }
        expect(untested).toEqual([]);
        expect(tests.filter(({ path }) => isSkipping(textOf(path)))).toEqual([]);
      },
    );
  });
});

/** Of a test that runs: no comments. */
function textOf(path: string): string {
  const file = join(REPOSITORY, "docs", path);
  return existsSync(file) ? codeOf(readFileSync(file, "utf8"), path.endsWith(".py") ? "python" : "js") : "";
}
