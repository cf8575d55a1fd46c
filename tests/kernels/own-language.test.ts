import { mkdtempSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { CodeSession } from "../helpers/code-contexts.ts";
import { startTestDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { errorsOf } from "../unit/kernels/cell-client.ts";

const PAGE = join(import.meta.dirname, "..", "..", "docs", "kernels.md");
/** A block of the page that names the file it is. */
const FILE = /^```\w+ kernels\/(\S+)\n(.*?)^```$/gms;

let root: string;
let daemon: TestDaemon;
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), "guestd-language-"));
  for (const [, name = "", text = ""] of readFileSync(PAGE, "utf8").matchAll(FILE)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), text);
  }
  daemon = await startTestDaemon({ kernels: { folder: root } });
});
afterAll(async () => {
  await daemon?.[Symbol.asyncDispose]();
  rmSync(root, { recursive: true });
});

test("the language of docs/kernels.md works with nothing but its two files", async () => {
  await using session = await CodeSession.open(daemon.url, { language: "calculator" });
  expect(await session.value("2 3 +")).toBe("5");
  const lines = await session.run(". 4 *");
  expect(lines.filter(({ type }) => type === "stdout").map(({ text }) => text)).toEqual(["5\n"]);
  expect(await session.value("")).toBe("20");
  expect(errorsOf(await session.run("1 nonsense"))).toMatchObject([{ name: "ValueError" }]);
  const stream = await session.openUp("7 . wait");
  expect(await session.interrupt()).toMatchObject({ outcome: "interrupted", stateKept: true });
  expect(errorsOf(await stream.until())).toMatchObject([{ name: "KeyboardInterrupt" }]);
  expect(await session.value("+")).toBe("8");
});
