import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { REPOSITORY } from "./daemon.ts";
import { type Fence, fencesOf } from "./fences.ts";
import { pythonSdkFolder } from "./prepare-machine.ts";

const run = promisify(execFile);

/** A program of a document, and what the `text` block right behind it says that it prints. */
export interface ProgramExample extends Fence {
  language: "js" | "python";
  hasControlPlane: boolean;
  expected: string | undefined;
}

/** The blocks of a document that open with `js run` or `python run`, or with that and `with a control plane`. */
export function programExamples(path: string): ProgramExample[] {
  const fences = fencesOf(path);
  return fences.flatMap((fence, index) => {
    const [, language, plane] = /^(js|python) run( with a control plane)?$/.exec(fence.info) ?? [];
    if (!language) return [];
    const next = fences[index + 1];
    const expected = next?.info === "text" ? next.text : undefined;
    return [{ ...fence, language: language as "js" | "python", hasControlPlane: plane !== undefined, expected }];
  });
}

/** Runs a program with the SDKs of the tests, and gives back what it has printed. */
export async function runProgram({ language, text }: ProgramExample, env: Record<string, string>): Promise<string> {
  // Node looks for packages in the folders above the program.
  mkdirSync(join(REPOSITORY, ".cache"), { recursive: true });
  const folder = mkdtempSync(join(REPOSITORY, ".cache", "program-"));
  try {
    const isPython = language === "python";
    const file = join(folder, isPython ? "program.py" : "program.mjs");
    // Others on this machine may run the same.
    writeFileSync(file, text.replaceAll("/tmp/sdk-demo", `/tmp/sdk-demo-${randomUUID()}`));
    const program = isPython ? join(pythonSdkFolder(REPOSITORY), "bin", "python") : process.execPath;
    const { stdout } = await run(program, [file], {
      cwd: folder,
      env: { PATH: process.env["PATH"], ...env },
      timeout: 60_000,
    });
    return stdout;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
