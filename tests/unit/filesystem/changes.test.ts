import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { Changes } from "../../../src/filesystem/changes.ts";
import { FileLocks } from "../../../src/filesystem/file-locks.ts";
import { ExecContext } from "../../../src/host/exec-context.ts";
import { OWN_RIGHTS } from "../../../src/host/own-file-access.ts";
import { Users } from "../../../src/host/users.ts";
import { testFiles } from "./server.ts";

const ME = { user: undefined };

test("a home is never removed as a whole, by whatever path", async () => {
  await using files = await testFiles();
  const home = join(files.root, "home");
  await mkdir(join(home, "dir"), { recursive: true });
  // A home of our own: should this ever fail, nobody else's is gone.
  const passwd = join(files.root, "passwd");
  await writeFile(passwd, `me:x:${process.geteuid?.() ?? 0}:${process.getegid?.() ?? 0}::${home}:/bin/sh\n`);
  const exec = new ExecContext({ users: new Users({ passwd }), path: "/usr/bin", defaultUser: "me" });
  const changes = new Changes({ exec, rights: OWN_RIGHTS, locks: new FileLocks() });
  for (const path of ["~", "~/", home, `${home}/`, `${home}//dir/..`, "/"]) {
    const removing = changes.remove(path, { isRecursive: path !== "/", expect: undefined }, ME);
    await expect(removing, path).rejects.toMatchObject({ code: "invalid_argument" });
  }
  await changes.remove("~/dir", { isRecursive: false, expect: undefined }, ME);
  expect(await readdir(home)).toEqual([]);
});
