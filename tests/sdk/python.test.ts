import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { REPOSITORY } from "../helpers/daemon.ts";
import { seedRepository, startGitServer } from "../helpers/git-server.ts";
import { pythonSdkFolder } from "../helpers/prepare-machine.ts";
import { SDK_PLACES, type SdkOptions, type SdkPlace } from "../helpers/sdk-place.ts";

const run = promisify(execFile);
const folder = join(import.meta.dirname, "python");
const python = join(pythonSdkFolder(REPOSITORY), "bin", "python");

function checksOf(module: string): string[] {
  const source = readFileSync(join(folder, `${module}.py`), "utf8");
  return [...source.matchAll(/^(?:async )?def (check_\w+)/gm)].map(([, name = ""]) => name);
}

/** What a module's checks printed; `note` says how the interpreter ended if that was not well. */
async function runChecks(
  module: string,
  options: SdkOptions,
  env: Record<string, string>,
): Promise<{ stdout: string; note: string }> {
  const script = join(folder, "run_checks.py");
  try {
    const { stdout } = await run(python, [script, module, JSON.stringify(inPython(options))], {
      cwd: folder,
      env: { ...process.env, ...env },
      timeout: 110_000,
    });
    return { stdout, note: "" };
  } catch (error) {
    const failure = error as { stdout?: string; stderr?: string; code?: number; signal?: string };
    return { stdout: failure.stdout ?? "", note: `exit ${failure.code ?? failure.signal}: ${failure.stderr}` };
  }
}

/** The same options in Python's names. */
function inPython(options: SdkOptions): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(options).map(([name, value]) => [
      name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
      value,
    ]),
  );
}

/** A server with a repository `app.git`, and what the checks are told of it. */
async function startSeededServer(): Promise<AsyncDisposable & { variables: Record<string, string> }> {
  await using stack = new AsyncDisposableStack();
  const secret = { username: "ada", password: "sdk-pass-word" };
  const server = stack.use(await startGitServer(secret));
  await seedRepository(join(server.folder, "seed"), join(server.folder, "app.git"));
  const owned = stack.move();
  return {
    variables: { GUESTD_TEST_GIT_SERVER: JSON.stringify({ url: server.url, ...secret }) },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

const [WITHOUT_TOKEN, WITH_TOKEN] = SDK_PLACES;
const MODULES = [
  "checks_sandbox_sync",
  "checks_sandbox_async",
  "checks_sync",
  "checks_async",
  "checks_code_sync",
  "checks_code_async",
  "checks_charts",
  "checks_pty_sync",
  "checks_pty_async",
  "checks_watch_sync",
  "checks_watch_async",
  "checks_git_sync",
  "checks_git_async",
];
/** Terminals, charts and all kinds of cells pass the gate as commands and simple cells do. */
const GATED = MODULES.filter((module) => !/charts|checks_code|pty/.test(module));
/** What these call needs no kernel. */
const WITHOUT_CODE = /sandbox|pty|watch|git/;

describe.each([
  ...MODULES.map((module) => [module, ...WITHOUT_TOKEN] as const),
  ...GATED.map((module) => [module, ...WITH_TOKEN] as const),
])("%s %s", (module, _name, start) => {
  let place: SdkPlace;
  const errors = new Map<string, string | null>();
  let rest = "";

  beforeAll(async () => {
    place = await start({ hasKernels: !WITHOUT_CODE.test(module) });
    await using server = module.startsWith("checks_git") ? await startSeededServer() : undefined;
    const { stdout, note } = await runChecks(module, place.options, server?.variables ?? {});
    rest = note;
    for (const line of stdout.trim().split("\n").filter(Boolean)) {
      const { name, error } = JSON.parse(line) as { name: string; error: string | null };
      errors.set(name, error);
    }
  });
  afterAll(async () => place?.[Symbol.asyncDispose]());

  test.each(checksOf(module))("%s", (name) => {
    expect(errors.has(name), `the check did not run: ${rest}`).toBe(true);
    expect(errors.get(name)).toBeNull();
  });
});
