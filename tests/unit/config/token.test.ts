import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { readConfig } from "../../../src/config.ts";
import { REPOSITORY } from "../../helpers/daemon.ts";

const SOURCE = join(REPOSITORY, "src", "config.ts");
const TOKEN = "tok_0123456789abcdef";
let folder = "";

beforeEach(() => (folder = mkdtempSync(join(tmpdir(), "guestd-token-"))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

interface Seen {
  token?: string;
  error?: string;
  inEnvironment: boolean;
  inProc: boolean;
  others: string | undefined;
}

/** Reads the configuration in a process of its own that was started with `env`. */
function readInChild(env: Record<string, string>): Seen {
  const script = `
    import { readFileSync } from "node:fs";
    import { readConfig } from ${JSON.stringify(SOURCE)};
    const seen = {};
    try {
      seen.token = readConfig({ root: ${JSON.stringify(REPOSITORY)}, argv: [], env: process.env, isTerminal: false }).token;
    } catch (error) {
      seen.error = error.message;
    }
    const proc = readFileSync("/proc/self/environ", "latin1");
    seen.inEnvironment = "GUESTD_TOKEN" in process.env;
    seen.inProc = /GUESTD_TOKEN=/.test(proc) || proc.includes(${JSON.stringify(TOKEN)});
    seen.others = proc.split("\\0").find((entry) => entry.startsWith("AFTER="));
    console.log(JSON.stringify(seen));`;
  const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
    env: { BEFORE: "b", ...env, AFTER: "a" },
    encoding: "utf8",
  });
  if (stdout === "") throw new Error(stderr);
  return JSON.parse(stdout) as Seen;
}

function tokenFile(text: string): string {
  const file = join(folder, "token");
  writeFileSync(file, text);
  return file;
}

describe("the token in the environment", () => {
  test("is taken, and gone from process.env and from what /proc shows", () => {
    const seen = readInChild({ GUESTD_TOKEN: TOKEN });
    expect(seen).toEqual({ token: TOKEN, inEnvironment: false, inProc: false, others: "AFTER=a" });
  });

  test("is gone as well when the start fails because of it", () => {
    const seen = readInChild({ GUESTD_TOKEN: TOKEN, GUESTD_TOKEN_FILE: tokenFile("other") });
    expect(seen).toMatchObject({ inEnvironment: false, inProc: false });
    expect(seen.error).toBe("set GUESTD_TOKEN or GUESTD_TOKEN_FILE, not both");
  });

  test("is refused when no header could carry it, without being repeated", () => {
    for (const wrong of ["with space", "täken", "line\nbreak", "tab\t"]) {
      const { error } = readInChild({ GUESTD_TOKEN: wrong });
      expect(error).toContain("printable ASCII");
      expect(error).not.toContain(wrong);
    }
  });

  test("is none when the variable is empty", () => {
    const seen = readInChild({ GUESTD_TOKEN: "" });
    expect([seen.token, seen.error]).toEqual([undefined, undefined]);
  });

  test("counts as well when the environment was handed over as a plain object: no gate is ever left open by that", () => {
    const env: Record<string, string | undefined> = { GUESTD_TOKEN: TOKEN };
    expect(readConfig({ root: REPOSITORY, argv: [], env, isTerminal: false }).token).toBe(TOKEN);
    expect(env).toEqual({});
  });
});

describe("the token in a file", () => {
  test("is taken without the line end and blanks around it", () => {
    for (const text of [TOKEN, `${TOKEN}\n`, `  ${TOKEN}\r\n\n`]) {
      expect(readInChild({ GUESTD_TOKEN_FILE: tokenFile(text) }).token).toBe(TOKEN);
    }
  });

  test("counts when the other variable is there but empty", () => {
    expect(readInChild({ GUESTD_TOKEN: "", GUESTD_TOKEN_FILE: tokenFile(TOKEN) }).token).toBe(TOKEN);
  });

  test("an empty file is an error that names it: it would leave the daemon without a gate", () => {
    for (const text of ["", " \n"]) {
      const file = tokenFile(text);
      expect(readInChild({ GUESTD_TOKEN_FILE: file }).error).toBe(`GUESTD_TOKEN_FILE: "${file}" is empty`);
    }
  });

  test("a file that cannot be read is an error that names it and says why", () => {
    const missing = join(folder, "nowhere");
    const { error } = readInChild({ GUESTD_TOKEN_FILE: missing });
    expect(error).toContain(`GUESTD_TOKEN_FILE: cannot read "${missing}"`);
    expect(error).toContain("no such file");
    expect(readInChild({ GUESTD_TOKEN_FILE: folder }).error).toContain("cannot read");
  });

  test("a text that no header could carry is refused without being repeated", () => {
    const { error } = readInChild({ GUESTD_TOKEN_FILE: tokenFile("two words") });
    expect(error).toContain("printable ASCII");
    expect(error).not.toContain("two words");
  });
});
