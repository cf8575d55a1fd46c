import { describe, expect, test } from "vitest";
import { gitFailure } from "../../../src/git/failures.ts";
import { ProgressReader } from "../../../src/git/progress.ts";
import { listedKey, readSettings } from "../../../src/git/read-settings.ts";
import { readStashes } from "../../../src/git/read-stashes.ts";
import { readStatus } from "../../../src/git/read-status.ts";

const OID = "0".repeat(40);

describe("git status", () => {
  test("is read whatever the names are", () => {
    const entries = [
      "# branch.oid (initial)",
      "# branch.head main",
      "# branch.upstream origin/main",
      "# branch.ab +2 -3",
      `1 .M N... 100644 100644 100644 ${OID} ${OID}  leading and trailing `,
      `2 R. N... 100644 100644 100644 ${OID} ${OID} R100 new name`,
      "old\nname",
      `u UU N... 100644 100644 100644 100644 ${OID} ${OID} ${OID} both`,
      "? # branch.head evil",
      "! ignored",
    ];
    expect(readStatus(entries.map((entry) => `${entry}\0`).join(""))).toEqual({
      branch: "main",
      commit: null,
      upstream: "origin/main",
      ahead: 2,
      behind: 3,
      files: [
        { path: " leading and trailing ", index: ".", worktree: "M", isUnmerged: false },
        { path: "new name", index: "R", worktree: ".", isUnmerged: false, from: "old\nname" },
        { path: "both", index: "U", worktree: "U", isUnmerged: true },
        { path: "# branch.head evil", index: "?", worktree: "?", isUnmerged: false },
        { path: "ignored", index: "!", worktree: "!", isUnmerged: false },
      ],
    });
  });
});

test("progress is found in whatever pieces it comes", () => {
  const text = "Cloning into 'x'...\nremote: Counting objects:  50% (1/2)\rReceiving objects: 100% (2/2), 1 KiB\n";
  const reader = new ProgressReader();
  expect(text.split("").flatMap((letter) => reader.push(Buffer.from(letter)))).toEqual([
    { stage: "remote: counting objects", percent: 50, done: 1, total: 2 },
    { stage: "receiving objects", percent: 100, done: 2, total: 2 },
  ]);
});

describe("a failure", () => {
  test.each([
    ["fatal: Unable to create '/x/.git/index.lock': File exists.", "aborted", "lock"],
    ["fatal: not a git repository (or any of the parent directories): .git", "failed_precondition", "not_a_repository"],
    ["Host key verification failed.\nfatal: Could not read from remote repository.", "permission_denied", "host_key"],
    ["fatal: unable to access 'https://h/': SSL certificate problem: self-signed", "permission_denied", "host_key"],
    ["fatal: Authentication failed for 'https://h/'", "permission_denied", "auth_failed"],
    ["git@h: Permission denied (publickey).\nfatal: Could not read from remote", "permission_denied", "auth_failed"],
    ["remote: Repository not found.\nfatal: repository 'https://h/' not found", "not_found", "not_found"],
    ["fatal: unable to access 'https://h/': Something new", "unavailable", "network"],
    ["fatal: unable to access '/x/.git/config': Permission denied", "permission_denied", undefined],
    ["fatal: unable to access 'https://h/': Could not resolve host: h", "unavailable", "network"],
    [
      "error: Your local changes to the following files would be overwritten by checkout",
      "failed_precondition",
      "dirty",
    ],
    [" ! [rejected] main -> main (non-fast-forward)\nerror: failed", "failed_precondition", "non_fast_forward"],
    [" ! [rejected] main -> main (fetch first)\nerror: failed", "failed_precondition", "non_fast_forward"],
    ["fatal: write error: No space left on device", "resource_exhausted", "no_space"],
    ["fatal: destination path 'x' already exists and is not an empty directory.", "already_exists", undefined],
    ["fatal: transport 'ext' not allowed", "permission_denied", undefined],
    ["fatal: something new", "failed_precondition", undefined],
  ])("%j is %s %s", (stderr, code, reason) => {
    expect(gitFailure({ exitCode: 128, stdout: "", stderr })).toMatchObject({ code, reason });
  });

  test.each([
    [
      "error: could not apply 1a2b3c4... Handle Connection refused and repository x not found\nCould not apply 1a2b3c4... Handle it",
      "CONFLICT (content): Merge conflict in a\n",
      "conflict",
    ],
    [
      "error: could not apply 1a2b3c4... Please tell me who you are, 'x' already exists\n",
      "CONFLICT (add/add): Merge conflict in No space left on device\n",
      "conflict",
    ],
    ["error: could not apply 1a2b3c4... No space left on device, or returned error: 403\n", "", "conflict"],
    ["error: pathspec 'No space left on device' did not match any file(s) known to git", "", "not_found"],
    ["error: branch 'Authentication failed' not found.", "", "not_found"],
    ["psql: error: Connection refused\nPlease tell me who you are", "", undefined],
    ["remote: fatal: Unable to create 'x.lock': File exists\n ! [remote rejected] main -> main (hook)", "", undefined],
    ["ERROR: Repository not found.\nfatal: Could not read from remote repository.", "", "not_found"],
    ["ssh: connect to host h port 22: Connection refused\r\nfatal: Could not read from remote", "", "network"],
  ])("%j, %j is %s, whatever commits, files, hooks and servers say", (stderr, stdout, reason) => {
    expect(gitFailure({ exitCode: 1, stdout, stderr }).reason).toBe(reason);
  });

  test.each(["\r", "could not lock ", "\n", "repository ", "'", "error: ", "a://", "Receiving objects:  50% (1/2)\r"])(
    "is told of any amount of %j",
    (what) => {
      const much = what.repeat((4 * 1024 * 1024) / what.length);
      const stderr = `fatal: one\nremote: x${much}x\nfatal: repository 'https://h/' not found\n`;
      const failure = gitFailure({ exitCode: 128, stdout: much, stderr });
      expect(failure).toMatchObject({ code: "not_found", reason: "not_found" });
      expect(failure.message).toMatch(/^git: fatal: one\n/);
      expect(failure.message).toMatch(/fatal: repository 'https:\/\/h\/' not found$/);
    },
  );

  test("shows no secret that is cut", () => {
    const credentials = { username: "ada", password: "s3cret".repeat(20) };
    for (let length = 1900; length < 2000; length += 1) {
      const line = `${"x".repeat(length)} https://ada:other@h/ ${credentials.password}\n`;
      const { message } = gitFailure({ exitCode: 1, stdout: "", stderr: line.repeat(100) }, credentials);
      expect(message).not.toMatch(/s3|other/);
    }
  });

  test("that is told on standard output is a conflict too", () => {
    const stdout = "Auto-merging a\nCONFLICT (content): Merge conflict in a\n";
    const failure = gitFailure({ exitCode: 1, stdout, stderr: "" });
    expect(failure).toMatchObject({ reason: "conflict", message: `git: ${stdout.trim()}` });
  });

  test("says what git has said, without progress, advice and secrets", () => {
    const stderr = "Cloning into 'x'...\nReceiving objects:  50% (1/2)\rfatal: no s3cret\nhint: do it\n";
    const failure = gitFailure({ exitCode: 1, stdout: "", stderr }, { username: "ada", password: "s3cret" });
    expect(failure.message).toBe("git: fatal: no ***");
  });

  test("of a machine without git says so", () => {
    const failure = gitFailure({ exitCode: 127, stdout: "", stderr: "git: not found\n" });
    expect(failure).toMatchObject({ code: "unavailable", message: "there is no git here" });
  });
});

describe("git config", () => {
  test("is read whatever the values are, without what is of the call alone", () => {
    const entries = [
      ["system", "core.bare"],
      ["global", "alias.x\nlog\n--all"],
      ["command", "core.hookspath\n/dev/null"],
      ["local", "branch.a.b C.merge\n"],
    ];
    expect(readSettings(entries.map(([scope, entry]) => `${scope}\0${entry}\0`).join(""))).toEqual([
      { key: "core.bare", value: "true", scope: "system" },
      { key: "alias.x", value: "log\n--all", scope: "global" },
      { key: "branch.a.b C.merge", value: "", scope: "local" },
    ]);
    expect(readSettings("")).toEqual([]);
  });

  test.each([
    ["User.Name", "user.name"],
    ["URL.https://Host/A.b.insteadOf", "url.https://Host/A.b.insteadof"],
  ])("lists %s as %s", (key, listed) => {
    expect(listedKey(key)).toBe(listed);
  });
});

test("git's stashes are read whatever their messages are", () => {
  const commits = [
    [OID, "On main: a\nb", "2026-11-29T10:00:00+01:00", "", ""],
    [OID, "WIP on x: y", "then", "", ""],
  ];
  const output = commits.map((fields) => fields.join("\0")).join("");
  expect(readStashes(output)).toEqual([
    { index: 0, commit: OID, message: "On main: a\nb", date: "2026-11-29T10:00:00+01:00" },
    { index: 1, commit: OID, message: "WIP on x: y", date: "then" },
  ]);
  expect(readStashes("")).toEqual([]);
});
