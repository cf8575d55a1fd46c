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
  cells: Readonly<Record<"busy loop" | "sleep" | "child" | "read", string>>;
  /** What goes on whatever comes (docs/kernels.md), and says `up`. */
  deaf: Readonly<Record<string, string>>;
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
      read: `
        open_on <- function(port) tryCatch(list(serverSocket(port), port), error = function(error) open_on(port + 1L))
        server <- open_on(30000L)
        client <- socketConnection(port = server[[2]], blocking = TRUE, timeout = 600)
        readLines(client, 1)`,
    },
    deaf: {
      // The other end says that this one is open.
      "read of a FIFO": `
        path <- tempfile()
        system(paste("mkfifo", path))
        system(sprintf("(exec 9>%s; echo up; exec sleep 600) &", path))
        readLines(path)`,
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
    deaf: {
      "wait for a connection": `{
        Thread waiting = Thread.currentThread();
        new Thread(() -> {
          while (!Arrays.toString(waiting.getStackTrace()).matches("[^,]*Net[.](accept|poll).*")) Thread.onSpinWait();
          System.out.println("up");
        }).start();
        new ServerSocket(0).accept();
      }`,
    },
  },
};

const KILLED = {
  name: "ContextRestarting",
  value: "Context was restarted: signal SIGKILL, since the cell did not stop when it was interrupted",
};

let daemon: TestDaemon;
beforeAll(async () => {
  const argv = ["--kernels", Object.keys(LANGUAGES).join(",")];
  daemon = await startTestDaemon({ kernels: "real", argv });
});
afterAll(async () => daemon?.[Symbol.asyncDispose]());

describe.each(Object.entries(LANGUAGES))("an interrupt of %s", (language, { keep, kept, up, cells, deaf }) => {
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

  test.concurrent.each(Object.entries(deaf))(
    "costs a %s the kernel, and the next cell answers",
    async (_what, code) => {
      await using session = await CodeSession.open(daemon.url, { language });
      const stream = await session.openUp(code);
      expect(await session.interrupt()).toMatchObject({ outcome: "killed", stateKept: false });
      const lines = await stream.until();
      expect(errorsOf(lines)).toEqual([KILLED]);
      expect(lines.at(-1)?.type).toBe("end_of_execution");
      expect(await session.value("40 + 2")).toMatch(/42$/);
    },
  );
});
