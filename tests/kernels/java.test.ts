import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CodeSession } from "../helpers/code-contexts.ts";
import { REPOSITORY, startTestDaemon, type TestDaemon, until } from "../helpers/daemon.ts";
import { CellStream, errorsOf } from "../unit/kernels/cell-client.ts";

const FOLDER = join(REPOSITORY, "kernels", "java");
const PID = "ProcessHandle.current().pid()";
/** How many snippets JShell holds, and sources of classes that it has made of some. */
const HELD = `
  String counts = (String) java.lang.management.ManagementFactory.getPlatformMBeanServer().invoke(
    new javax.management.ObjectName("com.sun.management:type=DiagnosticCommand"), "gcClassHistogram",
    new Object[] { new String[0] }, new String[] { String[].class.getName() });
  counts.lines().filter(line -> line.matches(".* jdk[.]jshell[.](?:[A-Za-z]+Snippet|OuterSnippetsClassWrap)(?: .*)?"))
    .mapToInt(line -> Integer.parseInt(line.strip().split(" +")[1])).sum()`;
/** What the kernel's own thread has allocated: a measure of its work. */
const ALLOCATED = `
  long kernel = Thread.getAllStackTraces().keySet().stream()
    .filter(thread -> thread.getName().equals("main") && thread.getThreadGroup().getName().equals("main"))
    .findFirst().get().getId();
  ((com.sun.management.ThreadMXBean) java.lang.management.ManagementFactory.getThreadMXBean()).getThreadAllocatedBytes(kernel)`;

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startTestDaemon({ kernels: "real", argv: ["--kernels", "java"] });
});
afterAll(async () => daemon?.[Symbol.asyncDispose]());

const open = (cwd?: string): Promise<CodeSession> =>
  CodeSession.open(daemon.url, { language: "java", ...(cwd && { cwd }) });

describe("a kernel of Java", () => {
  test("that ends by System.exit is one error, and the context lives", async () => {
    await using session = await open();
    const left = await session.run(
      "System.out.write('x'); new Thread(() -> System.exit(7)).start(); Thread.sleep(600_000);",
    );
    expect(errorsOf(left)).toEqual([{ name: "ContextRestarting", value: "Context was restarted: exit code 7" }]);
    expect(left.filter(({ type }) => type === "stdout").map(({ text }) => text)).toEqual(["x"]);
    expect(await session.value("6 * 7")).toBe("42");
  });

  test("goes on after its client has left, with its state, and with the threads of earlier cells", async () => {
    await using session = await open();
    await session.value(`
      var ticks = new java.util.concurrent.atomic.AtomicLong();
      var ticker = new Thread(() -> { for (;;) ticks.incrementAndGet(); });
      ticker.setPriority(Thread.MIN_PRIORITY);
      ticker.start();`);
    const code = 'String kept = "yes"; System.out.println("up"); while (true) { }';
    const stream = await CellStream.open(daemon.url, { context_id: session.id, code });
    await stream.until(({ type }) => type === "stdout");
    stream.destroy();
    expect(await session.value("kept")).toBe("yes");
    expect(
      await session.value("long seen = ticks.get(); while (ticks.get() == seen) Thread.yield(); ticker.isAlive()"),
    ).toBe("true");
  });

  test("does not take idle interrupts for the next cell's", async () => {
    await using session = await open();
    const pid = Number(await session.value(PID));
    for (let count = 0; count < 20; count += 1) {
      process.kill(pid, "SIGINT");
      // The virtual machine hands a signal from the thread that Linux has chosen to one of its own, and that to another one: one look may meet each asleep.
      await until(() => hasTakenSignals(pid) && hasTakenSignals(pid));
    }
    expect(await session.value("long x = 0; for (int i = 0; i < 10_000_000; i++) x += i; x")).toBe("49999995000000");
  });

  test("has a print as one event, and the end of its line as another", async () => {
    await using session = await open();
    const texts = async (code: string): Promise<unknown[]> =>
      (await session.run(code)).filter(({ type }) => type === "stdout").map(({ text }) => text);
    expect(await texts('System.out.println("Hello, World!")')).toEqual(["Hello, World!", "\n"]);
    expect(await texts('System.out.print("a"); System.out.printf("%d%n", 3);')).toEqual(["a", "3", "\n"]);
    expect(await texts('System.out.print("é".repeat(10_000))')).toEqual(["é".repeat(10_000)]);
  });

  test("keeps nothing of what was declared again, and a cell is no more work than before", async () => {
    await using session = await open();
    const declareAgain = async (times: number): Promise<{ held: number; bytes: number }> => {
      const before = Number(await session.value(ALLOCATED));
      for (let count = 0; count < times; count += 1)
        await session.value(
          `int[] x = {${count}}; class A { int a; } int f() { return ${count}; } if (f() > x[0]) f();`,
        );
      return {
        bytes: (Number(await session.value(ALLOCATED)) - before) / times,
        held: Number(await session.value(HELD)),
      };
    };
    await declareAgain(20); // what is imported, and what the compiler loads
    const first = await declareAgain(20);
    await declareAgain(100);
    const last = await declareAgain(20);
    expect(last.held).toBeLessThanOrEqual(first.held + 2);
    expect(last.bytes).toBeLessThan(first.bytes * 1.2);
  });

  test("works in its directory, also when a spare one is ready", async () => {
    await using first = await open("/usr");
    await using second = await open("/tmp");
    const where = 'Path.of("").toAbsolutePath() + " " + new File("x").getAbsoluteFile().getParent()';
    expect([await first.value(where), await second.value(where)]).toEqual(["/usr /usr", "/tmp /tmp"]);
    expect(await first.value(PID)).not.toBe(await second.value(PID));
  });

  test("hands none of its descriptors to programs of a cell", async () => {
    await using session = await open();
    const listed = await session.run('new ProcessBuilder("ls", "/proc/self/fd").inheritIO().start().waitFor()');
    const numbers = listed.filter(({ type }) => type === "stdout").map(({ text }) => text);
    // 0, 1, 2 and the one by which ls reads the folder.
    expect(numbers.join("").trim().split("\n")).toEqual(["0", "1", "2", "3"]);
  });

  test("does not lose output when a program has left the pipe non-blocking", async () => {
    await using session = await open();
    const code = `
      new ProcessBuilder("python3", "-c", "import os; os.set_blocking(1, False)").inheritIO().start().waitFor();
      System.out.print("x".repeat(3_000_000));`;
    const lines = await session.run(code);
    expect(errorsOf(lines)).toEqual([]);
    const sizes = lines.filter(({ type }) => type === "stdout").map(({ text = "" }) => text.length);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(3_000_000);
  });
});

/** Runs a script of the kernel where there are only these programs, given as what they do. */
function runScript(
  script: string,
  programs: Record<string, string>,
): { status: number | null; stderr: string; calls: string } {
  const folder = mkdtempSync(join(tmpdir(), "guestd-prepare-"));
  const log = join(folder, "calls");
  writeFileSync(log, "");
  for (const [name, body] of Object.entries(programs)) {
    writeFileSync(join(folder, name), `#!/bin/sh\necho "${name} $*" >>"${log}"\n${body}\n`);
    chmodSync(join(folder, name), 0o755);
  }
  for (const name of ["sh", "grep", "readlink", "dirname", "rm", "ln"])
    symlinkSync(`/usr/bin/${name}`, join(folder, name));
  const argv = [join(FOLDER, script), ...(script === "probe.sh" ? [join(folder, "java")] : []), folder];
  const { status, stderr } = spawnSync("/bin/sh", argv, {
    encoding: "utf8",
    env: { PATH: folder },
  });
  const calls = readFileSync(log, "utf8");
  rmSync(folder, { recursive: true });
  return { status, stderr, calls };
}

describe("preparing", () => {
  const jre = 'echo "java.base@17.0.1"';

  test("says what to do where there is no JDK that will do and it may not install one", () => {
    for (const java of [jre, 'echo "jdk.jshell@11.0.2"; echo "jdk.jartool@11.0.2"']) {
      const { status, stderr } = runScript("prepare.sh", { java, id: "echo 1000", "apt-get": "" });
      expect([status, stderr]).toEqual([
        1,
        expect.stringMatching(/^Java is off: .*default-jdk-headless\) or set JAVA_HOME\n$/),
      ]);
    }
  });

  test("installs a JDK with the system's packages, of which it gets the list first", () => {
    const { status, calls } = runScript("prepare.sh", { java: jre, id: "echo 0", "apt-get": "" });
    expect(status).toBe(1);
    expect(calls).toMatch(/apt-get .*update\napt-get .*install .*--no-install-recommends default-jdk-headless\n/);
  });

  test("is told by the probe when it has not been done", () => {
    const { status, stderr } = runScript("probe.sh", {});
    expect([status, stderr]).toEqual([1, "the kernel is not prepared for a Java of this machine\n"]);
    expect(runScript("probe.sh", { java: "" }).stderr).toMatch(/^\S+\/kernel\.jar cannot be read\n$/);
  });
});

/** Whether no thread of a process that has nothing to do is at work for a signal, nor about to be. */
function hasTakenSignals(pid: number): boolean {
  return readdirSync(`/proc/${pid}/task`).every((thread) => {
    try {
      const status = readFileSync(`/proc/${pid}/task/${thread}/status`, "latin1");
      const isPending = /^(?:SigPnd|ShdPnd):\s*0*[1-9a-f]/m.test(status);
      return !isPending && /^State:\s+S/m.test(status) && !status.startsWith("Name:\tSIGINT handler\n");
    } catch {
      return true; // it has ended while we looked
    }
  });
}
