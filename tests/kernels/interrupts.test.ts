import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CodeSession } from "../helpers/code-contexts.ts";
import { startTestDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { errorsOf } from "../unit/kernels/cell-client.ts";

interface Interruptible {
  /** Sets what is there as long as the state is. */
  keep: string;
  /** Says it. */
  kept: string;
  /** Says that the cell runs. */
  up: string;
  /** What it is busy with, and how. */
  cells: Readonly<Partial<Record<"busy loop" | "sleep" | "child" | "read", string>>>;
}

/** Python's, JavaScript's and TypeScript's are in files of their own, Bash's among its conformance cases. */
const LANGUAGES: Readonly<Record<string, Interruptible>> = {
  r: {
    keep: "kept <- 'yes'",
    kept: "cat(kept)",
    up: "cat('up\\n')",
    cells: {
      "busy loop": "repeat sqrt(2)",
      sleep: "Sys.sleep(600)",
      child: "system('sleep 600')",
      // Reads of FIFOs and pipes wait through interrupts in some releases of R (docs/kernels.md).
    },
  },
  java: {
    keep: 'String kept = "yes";',
    kept: "System.out.print(kept)",
    up: 'System.out.println("up");',
    cells: {
      "busy loop": "for (long i = 0;; i++) { }",
      sleep: "Thread.sleep(600_000);",
      child: 'new ProcessBuilder("sleep", "600").start().waitFor();',
      read: "new Scanner(new PipedInputStream(new PipedOutputStream())).next();",
    },
  },
};

let daemon: TestDaemon;
beforeAll(async () => {
  const argv = ["--kernels", Object.keys(LANGUAGES).join(",")];
  daemon = await startTestDaemon({ kernels: "real", argv });
});
afterAll(async () => daemon?.[Symbol.asyncDispose]());

describe.each(Object.entries(LANGUAGES))("an interrupt of %s", (language, { keep, kept, up, cells }) => {
  test.each(Object.entries(cells))("ends a %s, keeps the state, and the next cell answers", async (_what, code) => {
    await using session = await CodeSession.open(daemon.url, { language });
    await session.run(keep);
    const stream = await session.openUp(`${up}\n${code}`);
    expect(await session.interrupt()).toMatchObject({ outcome: "interrupted", stateKept: true });
    const lines = await stream.until();
    expect(errorsOf(lines)).toEqual([{ name: "KeyboardInterrupt", value: "" }]);
    expect(lines.at(-1)?.type).toBe("end_of_execution");
    expect(await session.value(kept)).toBe("yes");
  });
});
