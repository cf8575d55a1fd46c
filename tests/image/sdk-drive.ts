import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { Sandbox } from "@e2b/code-interpreter";
import { expect } from "vitest";
import { REPOSITORY } from "../helpers/daemon.ts";
import { pythonSdkFolder } from "../helpers/prepare-machine.ts";
import type { SdkOptions } from "../helpers/sdk-place.ts";

const execute = promisify(execFile);

/** A cell of each language that shows state and a result, and what comes of it. */
export const CELLS: Readonly<Record<string, readonly [setUp: string, cell: string, text: string]>> = {
  python: ["x = 40", "x + 2", "42"],
  javascript: ["const x = 40", "x + 2", "42"],
  typescript: ["const x: number = 40", "x + 2", "42"],
  bash: ["x=40", "echo $((x + 2))", "42\n"],
  r: ["x <- 40", "x + 2", "[1] 42"],
  java: ["int x = 40;", "x + 2", "42"],
};

/** Commands, files, watching, a terminal and code in `languages`, through the JavaScript SDK. */
export async function driveWithJavaScript(options: SdkOptions, languages: readonly string[]): Promise<void> {
  const sandbox = await Sandbox.create(options);
  const { stdout } = await sandbox.commands.run("id -un; echo done");
  expect(stdout).toMatch(/^\w+\ndone\n$/);

  await sandbox.files.makeDir("/tmp/watched");
  const seen = Promise.withResolvers<string>();
  const watch = await sandbox.files.watchDir("/tmp/watched", (event) => seen.resolve(`${event.type} ${event.name}`));
  await sandbox.files.write("/tmp/watched/note.txt", "a note");
  expect(await seen.promise).toBe("create note.txt");
  await watch.stop();
  expect(await sandbox.files.read("/tmp/watched/note.txt")).toBe("a note");

  let typed = "";
  const terminal = await sandbox.pty.create({
    cols: 80,
    rows: 24,
    onData: (bytes) => void (typed += Buffer.from(bytes).toString()),
  });
  await sandbox.pty.sendInput(terminal.pid, Buffer.from("stty size; exit 3\n"));
  await expect(terminal.wait()).rejects.toMatchObject({ exitCode: 3 });
  expect(typed).toContain("24 80");

  for (const language of languages) {
    const [setUp, cell, text] = CELLS[language] ?? [];
    await sandbox.runCode(setUp ?? "", { language });
    const { results, logs, error } = await sandbox.runCode(cell ?? "", { language });
    expect(error, language).toBeUndefined();
    expect(results[0]?.text ?? logs.stdout.join(""), language).toBe(text);
  }
}

/** The same through the Python SDK, in a process of its own. */
export async function driveWithPython(options: SdkOptions, languages: readonly string[]): Promise<void> {
  const cells = Object.fromEntries(languages.map((language) => [language, CELLS[language]]));
  expect(await runPython("drive.py", options, JSON.stringify(cells))).toBe("driven\n");
}

/** Start command and port events through the Python SDK: a server that it starts is told of as it opens its port, and as it ends. */
export async function followPortsWithPython(options: SdkOptions, token: string): Promise<void> {
  expect(await runPython("follow_ports.py", options, token)).toBe("followed\n");
}

async function runPython(script: string, options: SdkOptions, ...more: string[]): Promise<string> {
  const python = join(pythonSdkFolder(REPOSITORY), "bin", "python");
  const args = [join(import.meta.dirname, script), JSON.stringify(options), ...more];
  const { stdout } = await execute(python, args, { timeout: 110_000 });
  return stdout;
}
