import { constants, readdirSync, readFileSync, statSync } from "node:fs";
import { chmod, chown, mkdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { Directory } from "../../../src/filesystem/directory.ts";
import { openSpool } from "../../../src/filesystem/spool.ts";
import { OWN_FILE_ACCESS } from "../../../src/host/own-file-access.ts";
import { UserRights } from "../../../src/host/user-rights.ts";
import { Users } from "../../../src/host/users.ts";
import { raceAsUser } from "../../helpers/user-races.ts";
import { bodyOf } from "./bodies.ts";
import { asOrdinaryUser, isRoot, type TestFiles } from "./server.ts";
import { ANN, TEAM, userFiles, WORKER } from "./user-files.ts";

const ANN_CALLS = { user: "ann" };
const BOB_CALLS = { user: "bob" };
const LARGE = 1_000_000;

function upload(files: TestFiles, path: string, bytes: number, user: { user: string }): Promise<unknown> {
  return files.uploads.save({ path, body: bodyOf(bytes), metadata: {}, declaredBytes: bytes }, user);
}

const DENIED = { code: "permission_denied" };

describe.runIf(isRoot)("files as their user", () => {
  test("what the user may not read is read in no way", async () => {
    await using files = await userFiles();
    const secret = join(files.root, "secret");
    await writeFile(secret, "of root", { mode: 0o600 });
    await symlink(secret, join(files.root, "link"));
    await mkdir(join(files.root, "closed"), { mode: 0o700 });
    await writeFile(join(files.root, "closed/file"), "inside");

    for (const path of [secret, join(files.root, "link"), "/etc/shadow", join(files.root, "closed/file")]) {
      await expect(files.downloads.open(path, ANN_CALLS), path).rejects.toMatchObject(DENIED);
    }
    await expect(files.filesystem.list(join(files.root, "closed"), 1, ANN_CALLS)).rejects.toMatchObject(DENIED);
    await expect(files.filesystem.stat(join(files.root, "closed/file"), ANN_CALLS)).rejects.toMatchObject(DENIED);
    const copying = files.changes.copy(secret, join(files.root, "copy"), { mayReplace: true }, ANN_CALLS);
    await expect(copying).rejects.toMatchObject(DENIED);
    // Root still does: the threads of the pool have kept their rights.
    await using own = await files.downloads.open(secret, { user: "root" });
    expect(own.head.toString()).toBe("of root");
  });

  test("users get to their spools in the daemon's directory also when root was there first", async () => {
    await using files = await userFiles();
    const ann = files.users.get("ann");
    using near = await Directory.open(files.rights.of(ann), files.root);
    using nearRoot = await Directory.open(OWN_FILE_ACCESS, files.root);
    const uploads = join(files.spool, "uploads");
    await using ofRoot = await openSpool(nearRoot, uploads);
    await using ofAnn = await openSpool(near, uploads);
    expect([ofRoot.home, ofAnn.home]).toEqual([uploads, join(uploads, String(ANN))]);
  });

  test("what the user may not change is not changed", async () => {
    await using files = await userFiles();
    const closed = join(files.root, "closed");
    await mkdir(closed);
    await writeFile(join(closed, "file"), "old");
    await symlink(closed, join(files.root, "link"));
    const before = statSync(join(closed, "file"));
    const at = join(files.root, "link/file");

    for (const bytes of [10, LARGE]) {
      await expect(upload(files, at, bytes, ANN_CALLS)).rejects.toMatchObject(DENIED);
      await expect(upload(files, join(closed, "new"), bytes, ANN_CALLS)).rejects.toMatchObject(DENIED);
      await expect(upload(files, join(closed, "a/b"), bytes, ANN_CALLS)).rejects.toMatchObject(DENIED);
    }
    await expect(files.filesystem.makeDir(join(closed, "dir"), ANN_CALLS)).rejects.toMatchObject(DENIED);
    await expect(files.filesystem.remove(at, ANN_CALLS)).rejects.toMatchObject(DENIED);
    await expect(files.filesystem.remove(closed, ANN_CALLS)).rejects.toMatchObject(DENIED);
    await expect(files.filesystem.move(at, join(files.root, "x"), ANN_CALLS)).rejects.toMatchObject(DENIED);
    const mode = { mode: 0o777, isRecursive: true };
    await expect(files.changes.changeMode(closed, mode, ANN_CALLS)).rejects.toMatchObject(DENIED);
    const owner = { owner: "ann", group: undefined, isRecursive: false };
    await expect(files.changes.changeOwner(at, owner, ANN_CALLS)).rejects.toMatchObject(DENIED);
    const link = { target: "x", mayReplace: true };
    await expect(files.changes.link(join(closed, "l"), link, ANN_CALLS)).rejects.toMatchObject(DENIED);

    expect(readdirSync(closed)).toEqual(["file"]);
    expect(statSync(join(closed, "file"))).toMatchObject({ ctimeMs: before.ctimeMs, uid: 0, size: 3 });
  });

  test("what the user may do is done, and belongs to them", async () => {
    await using files = await userFiles();
    const home = join(files.root, "home");
    const entry = await files.filesystem.makeDir(join(home, "a/b"), ANN_CALLS);
    expect(entry).toMatchObject({ owner: "ann", group: String(ANN), permissions: "drwxr-xr-x" });
    for (const bytes of [0, 10, LARGE]) {
      for (const round of ["new", "again"]) {
        const path = join(home, `a/file-${bytes}`);
        await upload(files, path, bytes, ANN_CALLS);
        const made = await stat(path);
        expect(made, round).toMatchObject({ uid: ANN, gid: ANN, size: bytes, mode: 0o100644 });
        await using file = await files.downloads.open(path, ANN_CALLS);
        expect(file.sizeBytes).toBe(bytes);
      }
    }
    await files.filesystem.move(join(home, "a/file-10"), join(home, "moved/file"), ANN_CALLS);
    await files.changes.copy(join(home, "a"), join(home, "c"), { mayReplace: false }, ANN_CALLS);
    const listed = await files.filesystem.list(home, 3, ANN_CALLS);
    expect(listed.map(({ path, owner }) => [path.slice(home.length + 1), owner])).toEqual(
      ["a", "a/b", "a/file-0", `a/file-${LARGE}`, "c", "c/b", "c/file-0", `c/file-${LARGE}`, "moved", "moved/file"].map(
        (name) => [name, "ann"],
      ),
    );
    await files.filesystem.remove(home, ANN_CALLS);
    expect(readdirSync(files.root)).toEqual([]);
  });

  test("supplementary groups count, and only those the user is in", async () => {
    await using files = await userFiles();
    const shared = join(files.root, "shared");
    await mkdir(shared);
    await writeFile(join(shared, "plan"), "of the team", { mode: 0o640 });
    await chown(join(shared, "plan"), 0, TEAM);
    await chown(shared, 0, TEAM);
    await chmod(shared, 0o770);

    await using plan = await files.downloads.open(join(shared, "plan"), ANN_CALLS);
    expect(plan.head.toString()).toBe("of the team");
    await upload(files, join(shared, "new"), 10, ANN_CALLS);
    await expect(files.downloads.open(join(shared, "plan"), BOB_CALLS)).rejects.toMatchObject(DENIED);
    await expect(upload(files, join(shared, "other"), 10, BOB_CALLS)).rejects.toMatchObject(DENIED);
  });

  test.each([10, LARGE])("a file of somebody else's that the user may write stays theirs (%i bytes)", async (bytes) => {
    await using files = await userFiles();
    const path = join(files.root, "open");
    await writeFile(path, "old");
    await chmod(path, 0o666);
    const { ino } = statSync(path);
    await upload(files, path, bytes, ANN_CALLS);
    expect(statSync(path)).toMatchObject({ ino, uid: 0, size: bytes, mode: 0o100666 });
    const write = { path, body: bodyOf(bytes + 1), declaredBytes: undefined, mode: undefined, isAppended: false };
    const result = await files.atomicWrites.save({ ...write, isDurable: false, expect: undefined }, ANN_CALLS);
    expect(result).toMatchObject({ isNew: false, isAtomic: false });
    expect(statSync(path)).toMatchObject({ ino, uid: 0, size: bytes + 1 });
  });

  test("metadata is kept, and read back by who may", async () => {
    await using files = await userFiles();
    const path = join(files.root, "a");
    const metadata = { author: "ann", kind: "note" };
    const save = { path, body: bodyOf(5), metadata, declaredBytes: 5 };
    expect(await files.uploads.save(save, ANN_CALLS)).toMatchObject({ metadata });
    expect(await files.filesystem.stat(path, BOB_CALLS)).toMatchObject({ metadata });
    await upload(files, path, 6, ANN_CALLS);
    expect(await files.filesystem.stat(path, BOB_CALLS)).toMatchObject({ metadata: {} });
  });

  test("what arrives for one user is out of reach of another until it has its name", async () => {
    await using files = await userFiles();
    const looked = Promise.withResolvers<void>();
    const look = async (): Promise<void> => {
      const spools = readdirSync("/proc/self/fd").filter(isSpoolOfAnn);
      for (const fd of spools) {
        await expect(files.downloads.open(`/proc/self/fd/${fd}`, BOB_CALLS)).rejects.toMatchObject(DENIED);
      }
      expect(spools.length).toBeGreaterThan(0);
      looked.resolve();
    };
    const body = bodyOf(LARGE, look);
    await files.uploads.save({ path: join(files.root, "a"), body, metadata: {}, declaredBytes: undefined }, ANN_CALLS);
    await looked.promise;
  });

  test("a link to what is not the user's, swapped in and out all the time, gets nothing", async () => {
    await using files = await userFiles();
    await raceAsUser(files, ANN_CALLS, { swaps: 100, rounds: 10 });
  });

  test("many users at once each get what is theirs", async () => {
    await using files = await userFiles();
    const accounts = Array.from({ length: 10 }, (_, index) => {
      const id = ANN + 100 + index;
      return { name: `u${index}`, uid: id, gid: id, groups: [id], home: "/", shell: "/bin/sh" };
    });
    const made = accounts.map(async (account) => {
      const access = files.rights.of(account);
      const path = join(files.root, account.name);
      await using file = await access.open(path, constants.O_WRONLY | constants.O_CREAT, 0o600);
      expect(await file.stat()).toMatchObject({ uid: BigInt(account.uid) });
      await expect(access.readNames("/root")).rejects.toMatchObject({ code: "EACCES" });
    });
    await Promise.all(made);
    expect(readdirSync(files.root)).toHaveLength(accounts.length);
  });

  test("a thread that takes a user's rights leaves everybody else's as they were, and cannot be signalled", async () => {
    await using files = await userFiles();
    await files.filesystem.stat(files.root, ANN_CALLS);
    const threads = readdirSync("/proc/self/task").map((id) => readFileSync(`/proc/self/task/${id}/status`, "utf8"));
    const ids = threads.map((status) => /^Uid:\t(\d+)\t(\d+)\t(\d+)\t(\d+)$/m.exec(status)?.slice(1).map(Number));
    // Real and saved id decide who may signal: they stay root's.
    expect(ids.filter((id) => id?.[1] === ANN)).toEqual([[0, ANN, 0, ANN]]);
    expect(ids.filter((id) => id?.[1] !== ANN).every((id) => id?.every((part) => part === 0))).toBe(true);
    const reads = Array.from({ length: 64 }, () => OWN_FILE_ACCESS.readNames("/root"));
    await expect(Promise.all(reads)).resolves.toHaveLength(64);
    expect(await readFile("/etc/shadow", "utf8")).toContain("root");
  });
});

test("without root, files of other accounts are refused and the own ones handled", async () => {
  await asOrdinaryUser(async () => {
    await using rights = new UserRights({ workerPath: WORKER });
    const self = new Users().self();
    expect(self.uid).not.toBe(0);
    expect(rights.of(self)).toBe(OWN_FILE_ACCESS);
    expect(() => rights.of({ ...self, uid: self.uid + 1 })).toThrow("cannot act as");
  });
});

function isSpoolOfAnn(fd: string): boolean {
  try {
    const { nlink, uid } = statSync(`/proc/self/fd/${fd}`);
    return nlink === 0 && uid === ANN;
  } catch {
    return false; // closed meanwhile
  }
}
