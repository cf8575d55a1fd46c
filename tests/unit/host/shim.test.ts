import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  closeSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { until } from "../../helpers/daemon.ts";
import { isRunning } from "../../../src/host/process-tree.ts";
import { isRoot, SHIM } from "./programs.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "guestd-shim-"));
  chmodSync(folder, 0o755);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A copy that everybody can run: the repository may be where others cannot look. */
function readableShim(): string {
  const copy = join(folder, "guestd-shim");
  copyFileSync(SHIM, copy);
  chmodSync(copy, 0o755);
  return copy;
}

interface Outcome {
  stdout: string;
  stderr: string;
  /** Lines of the report, without the program's process id and what it used. */
  reports: string[];
}

/** Runs the shim to its end with its report on descriptor 3. */
function runShim(args: readonly string[], env: Record<string, string> = { PATH: "/usr/bin:/bin" }): Outcome {
  const reportFile = join(folder, "report");
  const report = openSync(reportFile, "w");
  try {
    const stdio = ["ignore", "pipe", "pipe", report] as const;
    const { stdout, stderr } = spawnSync(SHIM, args, { encoding: "utf8", env, stdio: [...stdio], maxBuffer: 1 << 26 });
    const lines = readFileSync(reportFile, "latin1").trimEnd().split("\n");
    const reports = lines.map((line) => line.replace(/^pid [1-9]\d*$/, "pid").replace(/^(end \d+)( \d+){9}$/, "$1"));
    return { stdout, stderr, reports };
  } finally {
    closeSync(report);
  }
}

function ended(code: number): string[] {
  return ["pid", `end ${code << 8}`, "gone"];
}

/** Fields of /proc/self/status that a program of the shim finds. */
function statusOf(options: readonly string[]): Record<string, string> {
  const lines = runShim([...options, "--", "cat", "/proc/self/status"]).stdout.split("\n");
  return Object.fromEntries(lines.map((line) => line.split(/:\s*/, 2).map((part) => part.trim()) as [string, string]));
}

function writeProgram(path: string, text: string, mode = 0o755): void {
  mkdirSync(join(folder, path, ".."), { recursive: true });
  writeFileSync(join(folder, path), text, { mode });
}

describe("the search for a program", () => {
  test("takes an empty folder of the search path for the working directory", () => {
    writeProgram("here", "#!/bin/sh\necho here\n");
    for (const path of ["", ":/nowhere", "/nowhere:", "/nowhere::/x"]) {
      expect(runShim(["-d", folder, "--", "here"], { PATH: path }).stdout).toBe("here\n");
    }
    expect(runShim(["-d", folder, "--", "here"], { PATH: "/nowhere" }).reports).toEqual(ended(127));
  });

  test("has /bin and /usr/bin when there is no search path, also when a variable's name begins like it", () => {
    const { stdout } = runShim(["--", "env"], { PATHS: "/x", PAT: "/y" });
    expect(stdout.trimEnd().split("\n").toSorted()).toEqual(["PAT=/y", "PATHS=/x"]);
  });

  test("goes on after folders that are longer than any, and through a path of many", () => {
    writeProgram("bin/far", "#!/bin/sh\necho far\n");
    const tooLong = `/${"y".repeat(200)}`.repeat(30);
    const many = Array.from({ length: 3000 }, (_, index) => `/nowhere/${index}`).join(":");
    for (const path of [tooLong, many, `${tooLong}:${many}:${tooLong}`]) {
      expect(runShim(["--", "far"], { PATH: `${path}:${folder}/bin` }).stdout).toBe("far\n");
    }
    expect(runShim(["--", "far"], { PATH: tooLong })).toMatchObject({
      stderr: "far: not found\n",
      reports: ended(127),
    });
  });

  test("remembers one that may not be executed, and takes a later one that may", () => {
    writeProgram("a/tool", "", 0o644);
    writeProgram("b/tool", "#!/bin/sh\necho b\n");
    expect(runShim(["--", "tool"], { PATH: `${folder}/a:${folder}/b` }).stdout).toBe("b\n");
    const refused = runShim(["--", "tool"], { PATH: `${folder}/a:/nowhere` });
    expect(refused).toMatchObject({ stderr: "tool: Permission denied\n", reports: ended(126) });
  });

  test("gives a file of no known format to the shell, with every argument", () => {
    writeProgram("bin/script", 'echo "$0" "$#"; for a in "$@"; do echo "<$a>"; done\n');
    const PATH = `/nowhere:${folder}/bin`;
    const expected = `${folder}/bin/script 3\n<a b>\n<>\n<-x>\n`;
    expect(runShim(["--", "script", "a b", "", "-x"], { PATH }).stdout).toBe(expected);
    expect(runShim(["--", "script"], { PATH }).stdout).toBe(`${folder}/bin/script 0\n`);
    const many = runShim(["--", "script", ...Array.from({ length: 20_000 }, (_, index) => `${index}`)], { PATH });
    expect(many.stdout.split("\n").slice(-2)).toEqual(["<19999>", ""]);
    expect(many.reports).toEqual(ended(0));
  });

  test.each([
    ["a name longer than any", "x".repeat(256), 126, "File name too long"],
    ["a path longer than any", `/${"x".repeat(5000)}`, 126, "File name too long"],
    ["no name", "", 127, "not found"],
    ["a path through a file", "/etc/passwd/x", 126, "Not a directory"],
  ])("ends for %s", (_case, name, code, why) => {
    expect(runShim(["--", name])).toEqual({
      stdout: "",
      stderr: `${name.slice(0, 400)}: ${why}\n`,
      reports: ended(code),
    });
  });

  test("names other reasons as the C library does", () => {
    symlinkSync("loop", join(folder, "loop"));
    const loop = runShim(["--", join(folder, "loop")]);
    expect([loop.stderr, loop.reports]).toEqual([`${folder}/loop: Too many levels of symbolic links\n`, ended(126)]);
  });
});

describe("arguments", () => {
  test("arrive as they are, also spaces, empty ones, options and very many", () => {
    const args = [
      "a b",
      "",
      "--",
      "-u",
      "\n",
      "ü",
      ...Array.from({ length: 30_000 }, (_, index) => `argument ${index}`),
    ];
    const { stdout, reports } = runShim(["-d", "/", "--", "printf", "%s\\0", ...args]);
    expect(stdout.split("\0").slice(0, -1)).toEqual(args);
    expect(reports).toEqual(ended(0));
  });

  test.each([[["-u"]], [["-d", "/"]], [["--"]], [["-z", "--", "true"]], [["-tx", "--", "true"]], [[]]])(
    "that the shim does not understand are refused: %j",
    (args) => {
      const { status, stdout, stderr } = spawnSync(SHIM, args, { encoding: "utf8" });
      expect([status, stdout, stderr.split(" ", 2)]).toEqual([2, "", ["usage:", "guestd-shim"]]);
    },
  );
});

describe.skipIf(!isRoot)("numbers at their limits", () => {
  test("of users and groups", () => {
    const last = "4294967294";
    const { Uid, Gid, Groups } = statusOf(["-u", last, "-g", last, "-G", `0,2147483648,${last}`]);
    const four = Array.from({ length: 4 }, () => last).join("\t");
    expect({ Uid, Gid, Groups }).toEqual({ Uid: four, Gid: four, Groups: `0 2147483648 ${last}` });
  });

  test("no groups, and 1024 of them", () => {
    const groups = Array.from({ length: 1024 }, (_, index) => `${index + 4_000_000_000}`);
    expect(statusOf(["-u", "1", "-g", "1", "-G", ""])["Groups"]).toBe("");
    expect(statusOf(["-u", "1", "-g", "1", "-G", groups.join(",")])["Groups"]).toBe(groups.join(" "));
  });

  test("of niceness and of the score for when memory runs out", () => {
    const script = "cat /proc/self/oom_score_adj; nice";
    expect(runShim(["-o", "1000", "-p", "19", "--", "sh", "-c", script]).stdout).toBe("1000\n19\n");
    // Whether we may become better than we are depends on where the tests run.
    const best = spawnSync("nice", ["-n", "-40", "nice"], { encoding: "utf8" }).stdout;
    expect(runShim(["-p", "-20", "--", "nice"]).stdout).toBe(best);
  });
});

describe("signals", () => {
  const none = "0000000000000000";

  test("are all at their defaults in the program, also those that the shim found ignored or blocked", () => {
    const ignoring = `import os, signal, sys
for number in range(1, 65):
    if number not in (9, 17, 19, 32, 33): signal.signal(number, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))
os.dup2(2, 3)
os.execv(sys.argv[1], sys.argv[1:])`;
    const argv = ["-c", ignoring, SHIM, "--", "/bin/cat", "/proc/self/status"];
    const { stdout } = spawnSync("python3", argv, { encoding: "utf8" });
    const fields = /^SigPnd:\t(\w+)\nShdPnd:\t(\w+)\nSigBlk:\t(\w+)\nSigIgn:\t(\w+)\nSigCgt:\t(\w+)$/m.exec(stdout);
    expect(fields?.slice(1)).toEqual([none, none, none, none, none]);
  });

  test("are ignored by the shim, but for its children's", async () => {
    const shim = spawn(SHIM, ["--", "sleep", "60"], { stdio: ["ignore", "ignore", "ignore", "pipe"] });
    await once(shim.stdio[3] as NodeJS.ReadableStream, "data");
    // All but 9 and 19, which nobody can ignore, and 17.
    await until(() => /^SigBlk:\t0{16}\nSigIgn:\tfffffffffffafeff\n/m.test(shimStatus(shim)));
    killChildren(shim);
    expect(await once(shim, "exit")).toEqual([0, null]);
  });

  test("that come as soon as the start is reported are not lost", async () => {
    for (let round = 0; round < 20; round += 1) {
      const shim = spawn(SHIM, ["--", "sleep", "60"], { stdio: ["ignore", "ignore", "ignore", "pipe"] });
      let said = "";
      (shim.stdio[3] as NodeJS.ReadableStream).on("data", (bytes: Buffer) => {
        if (said === "") process.kill(Number(bytes.toString().split(/\s/)[1]), "SIGTERM");
        said += bytes.toString();
      });
      await once(shim, "close");
      expect(said).toMatch(/^pid \d+\nend 15 [\d ]+\ngone\n$/);
    }
  });

  test("of a report that nobody reads do not end the program", () => {
    const withoutReader = `import os, signal, sys
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
reader, writer = os.pipe()
os.close(reader)
os.dup2(writer, 3)
os.execv(sys.argv[1], sys.argv[1:])`;
    const { stdout, status } = spawnSync("python3", ["-c", withoutReader, SHIM, "--", "echo", "ran"], {
      encoding: "utf8",
    });
    expect([stdout, status]).toEqual(["ran\n", 0]);
  });

  test("with -x the program's group ends when whoever started the shim does", async () => {
    const pidFile = join(folder, "pid");
    const program = `echo $$ > ${pidFile}.new; sleep 600 & mv ${pidFile}.new ${pidFile}; wait`;
    const starter = spawn("sh", ["-c", '"$0" -x -- sh -c "$1" 3>/dev/null & wait', SHIM, program], { stdio: "ignore" });
    await until(() => readdirSync(folder).includes("pid"));
    const pid = Number(readFileSync(pidFile, "latin1"));
    expect(isRunning(pid)).toBe(true);
    starter.kill("SIGKILL");
    await until(() => !isRunning(pid));
  });
});

describe("reports", () => {
  test("that a program was not started stand alone", () => {
    expect(runShim(["-d", join(folder, "nowhere"), "--", "true"]).reports).toEqual(["fail dir 2"]);
    expect(runShim(["-d", "/etc/passwd", "--", "true"]).reports).toEqual(["fail dir 20"]);
  });

  test.skipIf(!isRoot)("name what the user could not be given", () => {
    const asNobody = [
      "--clear-groups",
      "--reuid",
      "65534",
      "--regid",
      "65534",
      "sh",
      "-c",
      'exec "$@" 3>&1',
      "-",
      readableShim(),
    ];
    const run = (options: string[]): string =>
      spawnSync("setpriv", [...asNobody, ...options, "--", "true"], { encoding: "utf8" }).stdout;
    expect(run(["-u", "0", "-g", "0", "-G", "0"])).toBe("fail groups 1\n");
    expect(run(["-g", "0"])).toBe("fail gid 1\n");
    expect(run(["-u", "0"])).toBe("fail uid 1\n");
  });

  test("follow the descriptors that the program keeps, and are not among them", () => {
    const script = '"$0" -k 2 -- sh -c "echo kept >&4; ls /proc/self/fd | xargs" 3>/dev/null 4>&1 5>/dev/null 6>&1';
    expect(spawnSync("bash", ["-c", script, SHIM], { encoding: "utf8" }).stdout).toBe("kept\n0 1 2 3 4 5\n");
  });

  test("come in their order, the end before that of what was left behind", () => {
    const { reports } = runShim(["--", "sh", "-c", "(sleep 0.2; exit 9) & exit 7"]);
    expect(reports).toEqual(ended(7));
    expect(runShim(["--", "sh", "-c", "kill -KILL $$"]).reports).toEqual(["pid", "end 9", "gone"]);
  });
});

test("the shim's own command line and environment say nothing about the program", async () => {
  const shim = spawn(SHIM, ["-d", "/", "--", "sleep", "60"], {
    stdio: ["ignore", "ignore", "ignore", "pipe"],
    env: { PATH: "/usr/bin:/bin", SECRET: "x".repeat(50_000) },
  });
  await once(shim.stdio[3] as NodeJS.ReadableStream, "data");
  await until(() => !readFileSync(`/proc/${shim.pid}/environ`, "latin1").includes("x"));
  expect(readFileSync(`/proc/${shim.pid}/cmdline`, "latin1")).toMatch(/^[^\0]*guestd-shim\0+$/);
  killChildren(shim);
  await once(shim, "exit");
});

function shimStatus(shim: ChildProcess): string {
  return readFileSync(`/proc/${shim.pid}/status`, "latin1");
}

function killChildren(shim: ChildProcess): void {
  const children = readFileSync(`/proc/${shim.pid}/task/${shim.pid}/children`, "latin1").trim().split(" ");
  for (const pid of children) process.kill(Number(pid), "SIGKILL");
}
