import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { CallSocket } from "../../../src/git/call/call-socket.ts";
import { GitProgram } from "../../../src/git/git-program.ts";
import { ExecContext } from "../../../src/host/exec-context.ts";
import { REPOSITORY } from "../../helpers/daemon.ts";
import { createLauncher, users } from "../host/programs.ts";

const { signal } = new AbortController();

test("output that was cut is a failure, also of a git that has ended well, and of that git alone", async () => {
  await using stack = new AsyncDisposableStack();
  const folder = mkdtempSync(join(tmpdir(), "guestd-git-program-"));
  stack.defer(() => rmSync(folder, { recursive: true, force: true }));
  const launcher = stack.use(createLauncher());
  const calls = stack.use(new CallSocket({ folder, source: join(REPOSITORY, "dist", "guestd-call") }));
  const exec = new ExecContext({ users, path: "/usr/bin:/bin", defaultUser: users.self().name });
  const program = new GitProgram({ launcher, exec, calls, maxOutputBytes: 200 });
  await program.use({ user: undefined, cwd: "/", signal }, async (run) => {
    // Less than a pipe holds: git has ended before anybody can end it.
    await expect(run(["help", "-a"])).rejects.toMatchObject({ code: "resource_exhausted" });
    expect(await run(["version"])).toMatch(/^git version /);
    await expect(run(["rev-parse", "--git-dir"])).rejects.toMatchObject({ reason: "not_a_repository" });
  });
});
