import { execFile } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { fencesOf } from "./fences.ts";

const run = promisify(execFile);
/** Comes before the output of each command; no text has it. */
const MARK = "\u001e";
const DATE = /\d{4}-\d\d-\d\d.\d\d:\d\d/g;
/** Where documents say the daemon is. */
const DOCUMENTED_ADDRESS = "127.0.0.1:49983";

/** A command of a document, and what the document says that it prints. */
export interface ConsoleExample {
  /** Line of the document. */
  line: number;
  command: string;
  expected: string;
}

/**
 * The commands of a document's fences that open with ```` ```console run ````. A command begins with `$ ` and goes on with `> `;
 * the lines after it are what it prints. `…` stands for any text; where it is a line of its own, for any lines.
 */
export function consoleExamples(path: string): ConsoleExample[] {
  const examples: ConsoleExample[] = [];
  for (const { line, text } of fencesOf(path).filter(({ info }) => info === "console run")) {
    const own: ConsoleExample[] = [];
    for (const [index, row] of text.trimEnd().split("\n").entries()) {
      const last = own.at(-1);
      if (row.startsWith("$ ")) own.push({ line: line + index, command: row.slice(2), expected: "" });
      else if (!last) throw new Error(`${path}:${line + index}: output without a command`);
      else if (row.startsWith("> ")) last.command += `\n${row.slice(2)}`;
      else last.expected += `${row}\n`;
    }
    examples.push(...own);
  }
  return examples;
}

function escaped(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
}

/** Whether a command printed what its document says. Dates may be others. */
export function isAsExpected({ expected }: ConsoleExample, actual: string): boolean {
  const pattern = expected
    .trimEnd()
    .split("\n")
    .map((line) => {
      if (line === "…") return String.raw`(?:.*\n)*`;
      return `${line.split("…").map(escaped).join(".*").replaceAll(DATE, DATE.source)}\n`;
    });
  return new RegExp(`^${pattern.join("")}$`).test(`${actual.trimEnd()}\n`);
}

/** Something to run the examples in: a shell with a folder of its own. */
export class ConsoleSession implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), "guestd-console-"));
  readonly #replacements: readonly (readonly [documented: string, real: string])[];

  /** @param address of the daemon */
  constructor(address: string) {
    // Programs of the daemon are another user's.
    chmodSync(this.folder, 0o777);
    mkdirSync(join(this.folder, "home"));
    chmodSync(join(this.folder, "home"), 0o777);
    const home = join(this.folder, "home");
    this.#replacements = [
      [DOCUMENTED_ADDRESS, address],
      ["/tmp/demo", join(this.folder, "demo")],
      ["/v1/files/~", `/v1/files${home}`],
      ["/home/user", home],
    ];
    // As on a terminal, where curl draws no progress.
    writeFileSync(join(this.folder, ".curlrc"), "no-progress-meter\n");
  }

  /** Runs all commands one after the other in one shell, and gives back what each has printed. */
  async run(examples: readonly ConsoleExample[]): Promise<string[]> {
    const lines = examples.map(({ command }) => `printf '${MARK}'\n${this.#real(command)}\n`);
    const script = join(this.folder, "script.sh");
    writeFileSync(script, `exec 2>&1\n${lines.join("")}`);
    const { stdout } = await run("/bin/sh", [script], {
      cwd: this.folder,
      env: { PATH: "/usr/local/bin:/usr/bin:/bin", CURL_HOME: this.folder, HOME: this.folder },
      timeout: 170_000,
    });
    return stdout
      .split(MARK)
      .slice(1)
      .map((text) => this.#documented(text));
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  #real(text: string): string {
    return this.#replacements.reduce((result, [documented, real]) => result.replaceAll(documented, real), text);
  }

  #documented(text: string): string {
    return this.#replacements.reduce((result, [documented, real]) => result.replaceAll(real, documented), text);
  }
}
