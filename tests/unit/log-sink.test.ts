import { spawnSync } from "node:child_process";
import { closeSync, openSync, readFileSync, readSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { pipe } from "../../src/host/libc.ts";
import { descriptorSink } from "../../src/log.ts";
import { REPOSITORY, until } from "../helpers/daemon.ts";

const lines = (count: number): string[] => Array.from({ length: count }, (_, index) => `line ${index}\n`);

test("lines arrive whole and in order, however they come", async () => {
  const file = join(tmpdir(), `guestd-log-${process.pid}`);
  const fd = openSync(file, "w");
  const sink = descriptorSink(fd);
  const all = lines(500);
  for (const [index, line] of all.entries()) {
    sink.write(line);
    if (index % 100 === 50) await until(() => readFileSync(file, "utf8").includes(line));
  }
  await until(() => readFileSync(file, "utf8") === all.join(""));
  closeSync(fd);
  rmSync(file);
});

test("what nobody has begun to write is written by flush", () => {
  const { readEnd, writeEnd } = pipe();
  const sink = descriptorSink(writeEnd);
  sink.write("one\n");
  sink.write("two\n");
  sink.flush();
  const buffer = Buffer.alloc(100);
  expect(buffer.toString("utf8", 0, readSync(readEnd, buffer))).toBe("one\ntwo\n");
  closeSync(readEnd);
  closeSync(writeEnd);
});

test("a program that ends by itself has said everything", () => {
  const program = `import { descriptorSink } from "./src/log.ts"; descriptorSink(2).write("last words\\n");`;
  const { stderr } = spawnSync(process.execPath, ["--input-type=module", "--eval", program], {
    cwd: REPOSITORY,
    encoding: "utf8",
  });
  expect(stderr).toBe("last words\n");
});
