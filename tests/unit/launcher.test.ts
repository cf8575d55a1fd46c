import { execFileSync } from "node:child_process";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { REPOSITORY } from "../helpers/daemon.ts";

/** Where the artefact was put, with a Node that says what it was asked to run. */
let root: string;
let elsewhere: string;

beforeAll(() => {
  const place = realpathSync(mkdtempSync(join(tmpdir(), "guestd-launcher-")));
  root = join(place, "a folder", "guestd");
  elsewhere = join(place, "elsewhere");
  for (const folder of [join(root, "bin"), join(root, "dist"), elsewhere]) mkdirSync(folder, { recursive: true });
  const launcher = readFileSync(join(REPOSITORY, "src", "launcher.sh"), "utf8").replaceAll("@LOADER@", "/bin/sh");
  writeFileSync(join(root, "bin", "guestd"), launcher);
  writeFileSync(join(root, "bin", "node"), '#!/bin/sh\nfor argument; do printf "%s\\n" "$argument"; done\n');
  for (const name of ["guestd", "node"]) chmodSync(join(root, "bin", name), 0o755);
  writeFileSync(join(root, "dist", "main.js"), "");
  symlinkSync(join(root, "bin", "guestd"), join(elsewhere, "program"));
  symlinkSync(join(root, "bin"), join(elsewhere, "programs"));
});
afterAll(() => rmSync(join(root, "..", ".."), { recursive: true }));

test.each([
  ["its whole path", () => [join(root, "bin", "guestd")]],
  ["a link to it", () => [join(elsewhere, "program")]],
  ["a link to its folder", () => [join(elsewhere, "programs", "guestd")]],
  ["a path from its own folder", () => ["./guestd"]],
  ["a path from the folder above", () => ["bin/guestd"], ".."],
  ["its name on the search path", () => ["guestd"]],
  ["its name alone, to a shell", () => ["sh", "guestd"]],
])("by %s it starts the daemon beside it, with Node's flags first", (_how, command, from = ".") => {
  const [program = "", ...argv] = command();
  const text = execFileSync(program, [...argv, "--port", "a b"], {
    cwd: join(root, "bin", from),
    encoding: "utf8",
    env: { PATH: `${process.env["PATH"]}:${join(root, "bin")}` },
  });
  const [sigusr, semiSpace, pool, main = "", ...rest] = text.trimEnd().split("\n");
  expect([sigusr, semiSpace, pool]).toEqual(["--disable-sigusr1", "--max-semi-space-size=4", "--v8-pool-size=1"]);
  expect(main).toBe(join(root, "dist", "main.js"));
  expect(rest).toEqual(["--port", "a b"]);
});
