import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, createReadStream } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { InputPipe } from "../../../src/host/input-pipe.ts";
import { pipe } from "../../../src/host/libc.ts";
import { createLauncher, openDescriptors, runScript, start } from "./programs.ts";
import { REPOSITORY, until } from "../../helpers/daemon.ts";

const MIB = 1024 * 1024;
const CLOSED = { code: "failed_precondition", reason: "stdin_closed" };

describe("standard input", () => {
  test("arrives in order and ends with the end of file", async () => {
    await using launcher = createLauncher();
    const program = await start(launcher, ["/bin/cat"], { hasStdin: true });
    for (let index = 0; index < 200; index += 1) await program.child.writeInput(Buffer.from(`${index},`));
    program.child.closeInput();
    await program.exit;
    expect(program.text("stdout")).toBe(Array.from({ length: 200 }, (_, index) => `${index},`).join(""));
  });

  test("that was closed at once is empty", async () => {
    await using launcher = createLauncher();
    const program = await start(launcher, ["/usr/bin/wc", "-c"], { hasStdin: true });
    program.child.closeInput();
    program.child.closeInput();
    await program.exit;
    expect(program.text("stdout").trim()).toBe("0");
  });

  test("is all there after a close that did not wait for it", async () => {
    await using launcher = createLauncher();
    const program = await start(launcher, ["/bin/sh", "-c", "sleep 0.2; wc -c"], { hasStdin: true });
    const written = program.child.writeInput(Buffer.alloc(5 * MIB));
    program.child.closeInput();
    await written;
    await program.exit;
    expect(program.text("stdout").trim()).toBe(String(5 * MIB));
  });

  test("of nothing is taken and changes nothing", async () => {
    await using launcher = createLauncher();
    const program = await start(launcher, ["/bin/cat"], { hasStdin: true });
    await program.child.writeInput(Buffer.alloc(0));
    await program.child.writeInput(Buffer.from("x"));
    program.child.closeInput();
    await program.exit;
    expect(program.text("stdout")).toBe("x");
  });

  test("written after the close is refused", async () => {
    await using launcher = createLauncher();
    const program = await start(launcher, ["/bin/sleep", "30"], { hasStdin: true });
    program.child.closeInput();
    await expect(program.child.writeInput(Buffer.from("x"))).rejects.toMatchObject(CLOSED);
  });

  test("written after the program's end is refused", async () => {
    await using launcher = createLauncher();
    const program = await start(launcher, ["/bin/true"], { hasStdin: true });
    await program.exit;
    await expect(program.child.writeInput(Buffer.from("x"))).rejects.toMatchObject(CLOSED);
    program.child.closeInput();
  });

  test("that waits in the queue is refused when the program ends", async () => {
    await using launcher = createLauncher();
    const program = await start(launcher, ["/bin/sh", "-c", "echo up; sleep 0.2"], { hasStdin: true });
    const writing = program.child.writeInput(Buffer.alloc(MIB));
    await expect(writing).rejects.toMatchObject(CLOSED);
    expect((await program.exit).status).toEqual({ code: 0 });
  });

  test("that the program has closed is refused, and the program lives on", async () => {
    await using launcher = createLauncher();
    const program = await start(launcher, ["/bin/sh", "-c", "exec <&-; echo closed; sleep 30"], { hasStdin: true });
    await program.said(/closed/);
    // Nobody but the program keeps the other end: the pipe is broken once its shim, which may come later, has closed its own.
    const writing = async (): Promise<unknown> =>
      program.child.writeInput(Buffer.from("x")).catch((error: unknown) => error);
    await until(async () => (await writing()) !== undefined);
    expect(await writing()).toMatchObject(CLOSED);
    expect(program.child.hasEnded).toBe(false);
  });

  test("of a program that was started without is refused", async () => {
    await using launcher = createLauncher();
    const program = await start(launcher, ["/bin/sleep", "30"]);
    await expect(program.child.writeInput(Buffer.from("x"))).rejects.toMatchObject(CLOSED);
    program.child.closeInput();
  });

  test("that nobody reads neither blocks the close nor the end", async () => {
    await using launcher = createLauncher();
    const program = await start(launcher, ["/bin/sh", "-c", "echo up; exec sleep 60"], { hasStdin: true });
    await program.said(/up/);
    const writing = program.child.writeInput(Buffer.alloc(10 * MIB));
    const refused = expect(writing).rejects.toMatchObject(CLOSED);
    program.child.closeInput();
    process.kill(program.child.pid, "SIGKILL");
    expect((await program.exit).status).toMatchObject({ signal: "SIGKILL" });
    await refused;
  });
});

describe("the queue in front of a pipe that nobody reads", () => {
  test("is bounded: beyond that writes are refused, and taken again when there is room", async () => {
    const { readEnd, writeEnd } = pipe();
    const input = new InputPipe(writeEnd, { maxQueuedBytes: MIB });
    const queued = [input.write(Buffer.alloc(MIB)), input.write(Buffer.alloc(MIB))];
    await expect(input.write(Buffer.from("x"))).rejects.toMatchObject({
      code: "resource_exhausted",
      reason: "stdin_full",
      message: expect.stringContaining("the input holds"),
    });
    const reader = createReadStream("", { fd: readEnd });
    const closed = once(reader, "close");
    let size = 0;
    reader.on("data", (chunk) => (size += chunk.length));
    await Promise.all(queued);
    await input.write(Buffer.from("more"));
    input.close();
    await closed;
    expect(size).toBe(2 * MIB + 4);
  });

  test("gives its descriptor back at once when destroyed, and tells its writers", async () => {
    const before = openDescriptors();
    const { readEnd, writeEnd } = pipe();
    const input = new InputPipe(writeEnd);
    const writing = input.write(Buffer.alloc(MIB));
    const refused = expect(writing).rejects.toMatchObject(CLOSED);
    input.destroy();
    input.destroy();
    await refused;
    expect(input.isClosed).toBe(true);
    closeSync(readEnd);
    await until(() => openDescriptors() === before);
  });
});

test("a daemon whose own lowest descriptors are free gives programs the right ones", () => {
  const script = `
    import { closeSync, writeFileSync } from "node:fs";
    import { createLauncher, start } from ${JSON.stringify(join(import.meta.dirname, "programs.ts"))};
    const launcher = createLauncher();
    closeSync(0);
    closeSync(1);
    const program = await start(launcher, ["/bin/sh", "-c", "ls /proc/self/fd; cat; echo err >&2"], { hasStdin: true });
    await program.child.writeInput(Buffer.from("input"));
    program.child.closeInput();
    await program.exit;
    const shown = [program.text("stdout").split("\\n"), program.text("stderr")];
    writeFileSync(2, JSON.stringify(shown) + "\\n");
    process.exit();`;
  const argv = ["--input-type=module", "-e", script];
  const { stderr } = spawnSync(process.execPath, argv, { encoding: "utf8", cwd: REPOSITORY });
  // 3 is the folder that ls looks into.
  expect(JSON.parse(stderr.split("\n")[0] ?? "")).toEqual([["0", "1", "2", "3", "input"], "err\n"]);
});

test("two programs never share their input", async () => {
  await using launcher = createLauncher();
  const first = await start(launcher, ["/bin/cat"], { hasStdin: true });
  await runScript(launcher, "true");
  const second = await start(launcher, ["/bin/cat"], { hasStdin: true });
  first.child.closeInput();
  // Were the writing end inherited by the second, the first would not see its end of file.
  expect((await first.exit).status).toEqual({ code: 0 });
  second.child.closeInput();
  await second.exit;
});
