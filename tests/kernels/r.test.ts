import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CodeSession } from "../helpers/code-contexts.ts";
import { REPOSITORY, startTestDaemon, type TestDaemon, until } from "../helpers/daemon.ts";
import { CellStream, errorsOf, textOf } from "../unit/kernels/cell-client.ts";

const FOLDER = join(REPOSITORY, "kernels", "r");

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startTestDaemon({ kernels: "real", argv: ["--kernels", "r"] });
});
afterAll(async () => daemon?.[Symbol.asyncDispose]());

const open = (cwd?: string): Promise<CodeSession> =>
  CodeSession.open(daemon.url, { language: "r", ...(cwd && { cwd }) });

async function init(envVars: Record<string, string>): Promise<void> {
  const headers = { "Content-Type": "application/json" };
  const response = await daemon.fetch("/init", { method: "POST", headers, body: JSON.stringify({ envVars }) });
  expect(response.status).toBe(204);
}

/** Its temporary folder, with a file. */
async function temporaryFolderOf(session: CodeSession): Promise<string> {
  await session.value("writeLines('rest', tempfile())");
  return JSON.parse((await session.value("tempdir()")).slice("[1] ".length)) as string;
}

describe("a kernel of R", () => {
  test("goes on after its client has left, with its state", async () => {
    await using session = await open();
    const code = "kept <- 'yes'; cat('up\\n'); Sys.sleep(600)";
    const stream = await CellStream.open(daemon.url, { context_id: session.id, code });
    await stream.until(({ type }) => type === "stdout");
    stream.destroy();
    expect(await session.value("kept")).toBe('[1] "yes"');
  });

  test("does not take idle interrupts for the next cell's", async () => {
    await using session = await open();
    const pid = Number((await session.value("Sys.getpid()")).slice("[1] ".length));
    for (let count = 0; count < 20; count += 1) process.kill(pid, "SIGINT");
    expect(await session.value("x <- 0; for (i in 1:1e5) x <- x + i; x")).toBe("[1] 5000050000");
  });

  test("prints what one call prints as one event", async () => {
    await using session = await open();
    const printed = await session.run('print("Hello, World!")');
    expect(printed.filter(({ type }) => type === "stdout").map(({ text }) => text)).toEqual(['[1] "Hello, World!"\n']);
  });

  test("works in its directory, and a spare one is as good", async () => {
    await using first = await open("/usr");
    await using second = await open("/tmp");
    expect([await first.value("getwd()"), await second.value("getwd()")]).toEqual(['[1] "/usr"', '[1] "/tmp"']);
    expect(await first.value("Sys.getpid()")).not.toBe(await second.value("Sys.getpid()"));
  });

  test("has the sandbox's variables, those of a call on top, and other random numbers after /init", async () => {
    await using session = await open();
    const random = await session.value("set.seed(1); invisible(runif(1)); runif(1)");
    await session.run("set.seed(1); invisible(runif(1))");
    await init({ SHARED: "grün 'n\"", OWN: "sandbox" });
    const code = "cat(Sys.getenv(c('SHARED', 'OWN')), sep = '|')";
    expect(textOf(await session.run(code, { env_vars: { OWN: "call" } }))).toBe("grün 'n\"|call");
    expect(textOf(await session.run(code))).toBe("grün 'n\"|sandbox");
    expect(await session.value("runif(1)")).not.toBe(random);
    await init({});
    expect(textOf(await session.run(code))).toBe("|");
  });

  test("removes its temporary folder when its context is removed", async () => {
    const session = await open();
    const folder = await temporaryFolderOf(session);
    expect(existsSync(folder)).toBe(true);
    await session[Symbol.asyncDispose]();
    await until(() => !existsSync(folder), 30_000);
  });

  test("leaves no temporary folder that the next one does not remove", async () => {
    await using session = await open();
    const folder = await temporaryFolderOf(session);
    await session.run("tools::pskill(Sys.getpid(), 9)");
    await session.value("1"); // by now there is another one
    await until(() => !existsSync(folder), 30_000);
  });

  test("installs packages into a folder of the user's own, and has them at once", async () => {
    await using session = await open();
    await session.run(`
      package <- file.path(tempfile(), "guestdtoy")
      dir.create(file.path(package, "R"), recursive = TRUE)
      writeLines(c("Package: guestdtoy", "Version: 1.0", "Title: Toy", "Description: Toy.", "License: none"),
        file.path(package, "DESCRIPTION"))
      writeLines("export(answer)", file.path(package, "NAMESPACE"))
      writeLines("answer <- function() 42", file.path(package, "R", "answer.R"))
      library_folder <- tempfile("library")
      Sys.setenv(R_LIBS_USER = library_folder)
    `);
    const installed = await session.run('install.packages(package, repos = NULL, type = "source", quiet = TRUE)');
    expect(errorsOf(installed)).toEqual([]);
    expect(await session.value("library(guestdtoy); stopifnot(.libPaths()[1] == library_folder); answer()")).toBe(
      "[1] 42",
    );
  });

  test("keeps nothing of its cells", async () => {
    await using session = await open();
    const run = async (cells: number): Promise<number> => {
      for (let n = 0; n < cells; n += 1)
        await session.value(`f <- function(x) x + 1; cat(f(${n})); warning("w"); list(${n}, "two")`);
      // Objects and vectors, once those that are over have been collected.
      return Number(await session.value("invisible(gc()); cat(format(sum(gc()[, 1])))"));
    };
    await run(50); // what is loaded and compiled
    const before = await run(50);
    expect((await run(300)) - before).toBeLessThan(300);
  });

  test("hands none of its descriptors to programs of a cell", async () => {
    await using session = await open();
    const lines = await session.run("invisible(system('readlink /proc/self/fd/*'))");
    const targets = lines.filter(({ type }) => type === "stdout").map(({ text }) => text);
    // 0, 1, 2 and the one by which readlink would read its folder, which is gone.
    expect(targets.join("").trim().split("\n")).toHaveLength(3);
  });
});

test("an R that is too old is told by the probe", () => {
  const code = "getRversion <- function() numeric_version('3.6.1'); source(commandArgs(TRUE))";
  const { status, stderr } = spawnSync("Rscript", ["-e", code, join(FOLDER, "probe.R")], { encoding: "utf8" });
  expect([status, stderr]).toEqual([1, "R 3.6.1 is too old, the kernel needs 4.0\n"]);
});

/** Runs prepare.sh where there are only these programs, given as what they do. */
function prepare(programs: Record<string, string>): { status: number | null; stderr: string; calls: string } {
  const folder = mkdtempSync(join(tmpdir(), "guestd-prepare-"));
  const log = join(folder, "calls");
  writeFileSync(log, "");
  for (const [name, script] of Object.entries(programs)) {
    writeFileSync(join(folder, name), `#!/bin/sh\necho "${name} $*" >>"${log}"\n${script}\n`);
    chmodSync(join(folder, name), 0o755);
  }
  symlinkSync("/bin/sh", join(folder, "sh"));
  const { status, stderr } = spawnSync("/bin/sh", [join(FOLDER, "prepare.sh"), folder], {
    encoding: "utf8",
    env: { PATH: folder },
  });
  const calls = readFileSync(log, "utf8");
  rmSync(folder, { recursive: true });
  return { status, stderr, calls };
}

describe("preparing", () => {
  test("does nothing where R is", () => {
    expect(prepare({ R: "", "apt-get": "" })).toEqual({ status: 0, stderr: "", calls: "" });
  });

  test("says what to do where it may not install", () => {
    const { status, stderr } = prepare({ id: "echo 1000", "apt-get": "" });
    expect([status, stderr]).toEqual([1, expect.stringMatching(/^R is off: .*apt-get install r-base-core\)\n$/)]);
    expect(prepare({ id: "echo 0" }).status).toBe(1);
  });

  test("installs R with the system's packages, of which it gets the list first", () => {
    const { status, calls } = prepare({ id: "echo 0", "apt-get": "" });
    expect(status).toBe(0);
    expect(calls).toMatch(/^id -u\napt-get .*update\napt-get .*install .*--no-install-recommends r-base-core\n$/);
  });

  test("fails where that fails", () => {
    expect(prepare({ id: "echo 0", "apt-get": "exit 100" }).status).not.toBe(0);
  });
});
