import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { UserRights } from "../../../src/host/user-rights.ts";
import { Users } from "../../../src/host/users.ts";
import { REPOSITORY } from "../../helpers/daemon.ts";
import { type TestFiles, testFiles } from "./server.ts";

export const WORKER = join(REPOSITORY, "dist", "file-worker.js");
/** Not in the account database of any machine. */
export const [ANN, BOB, TEAM] = [61_001, 61_002, 62_000] as const;

export interface UserFiles extends TestFiles {
  rights: UserRights;
}

/** Ann is in the team, Bob is not; everything handled as whoever asks. The root of the tests is open to all. */
export async function userFiles(): Promise<UserFiles> {
  await using stack = new AsyncDisposableStack();
  const database = await mkdtemp(join(tmpdir(), "guestd-accounts-"));
  stack.defer(() => rm(database, { recursive: true, force: true }));
  const [passwd, group] = [join(database, "passwd"), join(database, "group")];
  await writeFile(
    passwd,
    `root:x:0:0::/root:/bin/sh\nann:x:${ANN}:${ANN}::/:/bin/sh\nbob:x:${BOB}:${BOB}::/:/bin/sh\n`,
  );
  await writeFile(group, `team:x:${TEAM}:ann\n`);
  const rights = stack.use(new UserRights({ workerPath: WORKER }));
  const files = stack.use(await testFiles({ users: new Users({ passwd, group }), rights }));
  await chmod(files.root, 0o777);
  await chmod(files.spool, 0o711);
  const owned = stack.move();
  return { ...files, rights, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}
