import { Sandbox } from "@e2b/code-interpreter";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type BuiltDaemon, startBuiltDaemon } from "../../helpers/built-daemon.ts";

/** Prints one variable of the environment. */
const READ = {
  python: "import os; print(os.getenv('SHARED', 'none'))",
  javascript: "console.log(process.env.SHARED ?? 'none')",
  typescript: "console.log((process.env.SHARED as string | undefined) ?? 'none')",
  bash: "echo ${SHARED:-none}",
  r: "cat(Sys.getenv('SHARED', 'none'))",
  java: 'System.out.print(System.getenv().getOrDefault("SHARED", "none"))',
};

let daemon: BuiltDaemon;
let sandbox: Sandbox;

beforeAll(async () => {
  daemon = await startBuiltDaemon();
  sandbox = await Sandbox.create({ debug: true, sandboxUrl: daemon.url });
});
afterAll(async () => daemon?.[Symbol.asyncDispose]());

/** Sets the variables of the whole sandbox, as the control plane does. */
async function init(envVars: object): Promise<void> {
  const headers = { "Content-Type": "application/json" };
  const { status } = await fetch(`${daemon.url}/init`, { method: "POST", headers, body: JSON.stringify({ envVars }) });
  expect(status).toBe(204);
}

describe("runCode", () => {
  test("gives the value of the last expression", async () => {
    const execution = await sandbox.runCode("x = 40\nx + 2");
    expect(execution.text).toBe("42");
    expect(execution.results[0]).toMatchObject({ isMainResult: true, text: "42" });
    expect(execution.error).toBeUndefined();
  });

  test("keeps state between cells", async () => {
    await sandbox.runCode("counter = 1");
    expect((await sandbox.runCode("counter += 1; counter")).text).toBe("2");
  });

  test("calls back with output, one event for one print", async () => {
    const out: string[] = [];
    const err: string[] = [];
    const execution = await sandbox.runCode("import sys\nprint('hello')\nprint('oh no', file=sys.stderr)", {
      onStdout: ({ line }) => void out.push(line),
      onStderr: ({ line }) => void err.push(line),
    });
    expect(out).toEqual(["hello\n"]);
    expect(err).toEqual(["oh no\n"]);
    expect(execution.logs).toEqual({ stdout: ["hello\n"], stderr: ["oh no\n"] });
  });

  test("reports an error with its traceback", async () => {
    const errors: unknown[] = [];
    const execution = await sandbox.runCode("def f():\n    return undefined_name\nf()", {
      onError: (error) => void errors.push(error),
    });
    expect(execution.error).toMatchObject({ name: "NameError", value: "name 'undefined_name' is not defined" });
    expect(execution.error?.traceback).toContain("undefined_name");
    expect(execution.error?.traceback).toContain("line 2");
    expect(errors).toHaveLength(1);
  });

  test("counts executions", async () => {
    const context = await sandbox.createCodeContext();
    expect((await sandbox.runCode("syntax error here", { context })).executionCount).toBe(1);
    expect((await sandbox.runCode("1", { context })).executionCount).toBe(2);
  });

  test("gives a data frame as text, HTML and data", async () => {
    const { results } = await sandbox.runCode('import pandas as pd\npd.DataFrame({"a": [1, 2], "b": ["x", None]})');
    expect(results[0]?.html).toContain("<table");
    expect(results[0]?.text).toContain("a");
    expect(results[0]?.data).toEqual({ a: [1, 2], b: ["x", null] });
  });

  test("gives a plot as PNG", async () => {
    const { results } = await sandbox.runCode("import matplotlib.pyplot as plt\nplt.plot([1, 2, 3])\nplt.show()");
    expect(results).toHaveLength(1);
    const png = Buffer.from(results[0]?.png ?? "", "base64");
    expect(png.subarray(1, 4).toString("latin1")).toBe("PNG");
    expect(results[0]?.extra).toEqual({});
    expect(results[0]?.text).toBe("<Figure size 640x480 with 1 Axes>");
  });

  test("shows images and rich values", async () => {
    const image = await sandbox.runCode('from PIL import Image\nImage.new("RGB", (8, 8), "red")');
    expect(image.results[0]?.formats()).toContain("png");
    const rich = await sandbox.runCode(
      "from IPython.display import display\ndisplay({'text/latex': r'$x$'}, raw=True)",
    );
    expect(rich.results[0]).toMatchObject({ latex: "$x$", isMainResult: false });
  });

  test("sets variables for one cell only", async () => {
    const value = `it's "quoted"\nü`;
    const code = "import os; print(os.getenv('FOR_ONE_CELL'), end='')";
    expect((await sandbox.runCode(code, { envs: { FOR_ONE_CELL: value } })).logs.stdout.join("")).toBe(value);
    expect((await sandbox.runCode(code)).logs.stdout.join("")).toBe("None");
  });

  test("calls back with everything once and in order", async () => {
    const heard: unknown[] = [];
    await sandbox.runCode("print('a')\ndisplay('b')\n1 / 0", {
      onStdout: ({ line }) => void heard.push(line),
      onResult: ({ text }) => void heard.push(text),
      onError: ({ name }) => void heard.push(name),
    });
    expect(heard).toEqual(["a\n", "b", "ZeroDivisionError"]);
  });

  test.each(Object.entries(READ))(
    "has in %s the variables of the sandbox, which those of a call override",
    async (language, code) => {
      const context = await sandbox.createCodeContext({ language });
      const seen = async (options: { envs?: Record<string, string> } = {}): Promise<string> =>
        (await sandbox.runCode(code, { context, ...options })).logs.stdout.join("").trim();
      await init({ SHARED: "sandbox" });
      expect(await seen()).toBe("sandbox");
      expect(await seen({ envs: { SHARED: "call" } })).toBe("call");
      expect(await seen()).toBe("sandbox");
      await init({});
      expect(await seen()).toBe("none");
    },
  );

  test("survives the cell that its client gave up on", async () => {
    await sandbox.runCode("kept = 'yes'");
    await expect(sandbox.runCode("import time\ntime.sleep(300)", { timeoutMs: 500 })).rejects.toThrow("timed out");
    expect((await sandbox.runCode("kept")).text).toBe("yes");
  });

  test("refuses a context together with a language", async () => {
    const context = await sandbox.createCodeContext();
    await expect(sandbox.runCode({ context, language: "python" } as never)).rejects.toThrow();
  });

  test("says which languages there are when asked for another", async () => {
    await expect(sandbox.runCode("1", { language: "cobol" })).rejects.toThrow();
  });

  test("text with every kind of character arrives as it was", async () => {
    const text = "é \u2028 \u0085 😀 \u0000 tab\t";
    const { logs } = await sandbox.runCode(`print(${JSON.stringify(text)})`);
    expect(logs.stdout.join("")).toBe(`${text}\n`);
  });
});

describe("contexts", () => {
  test("are apart from each other", async () => {
    const [first, second] = [await sandbox.createCodeContext(), await sandbox.createCodeContext()];
    await sandbox.runCode("mine = 1", { context: first });
    expect((await sandbox.runCode("mine", { context: second })).error?.name).toBe("NameError");
    expect((await sandbox.runCode("mine", { context: first })).text).toBe("1");
  });

  test("start where they are told to", async () => {
    const context = await sandbox.createCodeContext({ cwd: "/tmp" });
    expect(context).toMatchObject({ language: "python", cwd: "/tmp" });
    expect((await sandbox.runCode("import os; os.getcwd()", { context })).text).toBe("/tmp");
  });

  test("are listed in order of their creation and removed", async () => {
    const context = await sandbox.createCodeContext({ language: "python" });
    const listed = await sandbox.listCodeContexts();
    expect(listed.at(-1)).toEqual({ id: context.id, language: "python", cwd: context.cwd });
    await sandbox.removeCodeContext(context);
    expect((await sandbox.listCodeContexts()).map(({ id }) => id)).not.toContain(context.id);
    await expect(sandbox.runCode("1", { context })).rejects.toThrow("not found");
  });

  test("forget everything but their id and directory when they are restarted", async () => {
    const context = await sandbox.createCodeContext({ cwd: "/tmp" });
    await sandbox.runCode("x = 1", { context });
    await sandbox.restartCodeContext(context);
    const execution = await sandbox.runCode("x", { context });
    expect(execution.error).toMatchObject({ name: "NameError", value: "name 'x' is not defined" });
    expect((await sandbox.runCode("import os; os.getcwd()", { context })).text).toBe("/tmp");
  });

  test("run side by side, each one cell at a time", async () => {
    const contexts = await Promise.all([0, 1, 2].map(() => sandbox.createCodeContext()));
    const texts = await Promise.all(
      contexts.flatMap((context) =>
        Array.from(
          { length: 3 },
          async () => (await sandbox.runCode("n = globals().get('n', 0); m = n; n = m + 1; n", { context })).text,
        ),
      ),
    );
    // Requests sent together arrive in any order; what counts is that no two cells of a context overlap.
    expect(texts.map(Number).toSorted((a, b) => a - b)).toEqual([1, 1, 1, 2, 2, 2, 3, 3, 3]);
  });

  test("come back after their interpreter dies", async () => {
    const context = await sandbox.createCodeContext();
    const execution = await sandbox.runCode("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", { context });
    expect(execution.error).toMatchObject({
      name: "ContextRestarting",
      value: "Context was restarted: signal SIGKILL",
    });
    expect((await sandbox.runCode("1 + 1", { context })).text).toBe("2");
  });
});

describe("runCode with bash", () => {
  test("gives a line an event, keeps state, and takes variables for one call", async () => {
    const first = await sandbox.runCode("echo $FOO; x=1; echo two", { language: "bash", envs: { FOO: "bar" } });
    expect(first.logs.stdout).toEqual(["bar\n", "two\n"]);
    const second = await sandbox.runCode("echo ${FOO:-default} $x; (exit 7)", { language: "bash" });
    expect(second.logs.stdout).toEqual(["default 1\n"]);
    expect(second.error).toMatchObject({ name: "ExitError", value: "7" });
  });

  test("works in a context of its own, in its directory", async () => {
    const context = await sandbox.createCodeContext({ language: "bash", cwd: "/tmp" });
    expect(context.language).toBe("bash");
    expect((await sandbox.runCode("pwd", { context })).logs.stdout).toEqual(["/tmp\n"]);
    expect((await sandbox.runCode("echo ${x-unset}", { context })).logs.stdout).toEqual(["unset\n"]);
  });
});
