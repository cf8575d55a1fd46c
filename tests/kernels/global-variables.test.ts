import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CodeSession } from "../helpers/code-contexts.ts";
import { startTestDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { post } from "../helpers/native-runs.ts";

/** How a language has variables: code that prints one (or `-`), prints one as a child process has it, and sets one for good. */
interface Words {
  print(name: string): string;
  printInChild(name: string): string;
  set(name: string, value: string): string;
}

const JAVASCRIPT: Words = {
  print: (name) => `console.log(process.env.${name} ?? '-')`,
  printInChild: (name) => `console.log(require('child_process').execSync('echo "\${${name}:--}"').toString().trim())`,
  set: (name, value) => `process.env.${name} = '${value}'; undefined`,
};
const LANGUAGES: Record<string, Words> = {
  bash: {
    print: (name) => `echo "\${${name}:--}"`,
    printInChild: (name) => `bash -c 'echo "\${${name}:--}"'`,
    set: (name, value) => `export ${name}=${value}`,
  },
  java: {
    print: (name) =>
      `System.out.println(System.getProperty("${name}", "-") + (java.util.Objects.equals(System.getenv("${name}"), System.getProperty("${name}")) ? "" : "!"));`,
    // Java hands on what it was started with, unless a program has asked for the variables of a child.
    printInChild: (name) =>
      `{ var child = new ProcessBuilder("sh", "-c", "echo \\"\${${name}:--}\\""); child.environment(); System.out.print(new String(child.start().getInputStream().readAllBytes())); }`,
    set: (name, value) => `System.setProperty("${name}", "${value}");`,
  },
  javascript: JAVASCRIPT,
  python: {
    print: (name) => `print(os.environ.get('${name}', '-'))`,
    printInChild: (name) =>
      `import subprocess; print(subprocess.check_output('echo "\${${name}:--}"', shell=True, text=True).strip())`,
    set: (name, value) => `os.environ['${name}'] = '${value}'`,
  },
  r: {
    print: (name) => `cat(Sys.getenv('${name}', '-'))`,
    printInChild: (name) => `cat(system('echo "\${${name}:--}"', intern = TRUE))`,
    set: (name, value) => `invisible(Sys.setenv(${name} = '${value}'))`,
  },
  typescript: JAVASCRIPT,
};

let daemon: TestDaemon;
beforeAll(async () => void (daemon = await startTestDaemon({ kernels: "real", argv: ["--sandbox-id=box-7"] })));
afterAll(async () => daemon?.[Symbol.asyncDispose]());

async function init(envVars: Record<string, string>): Promise<void> {
  expect((await post(daemon.url, "/init", { envVars })).status).toBe(204);
}

async function valuesOf(session: CodeSession, words: Words): Promise<string[]> {
  const values: string[] = [];
  // oxlint-disable-next-line no-await-in-loop -- cells of one context come one after another anyway
  for (const name of ["SHARED", "OTHER", "OWN"]) values.push((await session.value(words.print(name))).trim());
  return values;
}

describe.each(Object.entries(LANGUAGES))("a context of %s", (language, words) => {
  test("sees what /init has changed in its next cell, and keeps what its cells have set", async () => {
    await init({});
    await using session = await CodeSession.open(daemon.url, { language });
    const values = (): Promise<string[]> => valuesOf(session, words);
    expect(await values()).toEqual(["-", "-", "-"]);
    await init({ SHARED: "1", OTHER: "two words" });
    expect(await values()).toEqual(["1", "two words", "-"]);
    expect((await session.value(words.printInChild("OTHER"))).trim()).toBe("two words");
    await session.run(words.set("OWN", "cell"));
    await session.run(words.set("OTHER", "cell"));
    // What a cell has set stays while nobody changes it …
    await init({ SHARED: "2", OTHER: "two words" });
    expect((await values()).map((value) => value.replace("!", ""))).toEqual(["2", "cell", "cell"]);
    // … and not when somebody does.
    await init({ OTHER: "4" });
    expect((await values()).map((value) => value.replace("!", ""))).toEqual(["-", "4", "cell"]);
    await init({});
    expect((await values()).map((value) => value.replace("!", ""))).toEqual(["-", "-", "cell"]);
    expect((await session.value(words.printInChild("OTHER"))).trim()).toBe("-");
  });

  test("sees what has changed while it was started, restarted, or while a cell had variables of its own", async () => {
    await init({ SHARED: "before" });
    const [session] = await Promise.all([CodeSession.open(daemon.url, { language }), init({ SHARED: "after" })]);
    await using _session = session;
    expect(await session.value(words.print("SHARED"))).toMatch(/^after\s*$/);
    const restarted = post(daemon.url, `/contexts/${session.id}/restart`, {});
    await init({ SHARED: "later" });
    expect((await restarted).ok).toBe(true);
    expect(await session.value(words.print("SHARED"))).toMatch(/^later\s*$/);
    const own = await session.run(words.print("SHARED"), { env_vars: { SHARED: "own", E2B_SANDBOX_ID: "own" } });
    expect(own.find(({ type }) => type === "stdout")?.text?.trim()).toBe("own");
    await init({ SHARED: "latest" });
    expect(await session.value(words.print("SHARED"))).toMatch(/^latest\s*$/);
    await init({});
    expect(await session.value(words.print("SHARED"))).toMatch(/^-\s*$/);
  });

  test("knows its sandbox, whatever /init says", async () => {
    await init({ E2B_SANDBOX_ID: "forged", E2B_SANDBOX: "false" });
    await using session = await CodeSession.open(daemon.url, { language });
    expect((await session.value(words.print("E2B_SANDBOX"))).trim()).toBe("true");
    expect((await session.value(words.print("E2B_SANDBOX_ID"))).trim()).toBe("box-7");
  });
});
