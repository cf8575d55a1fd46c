import { mkdtempSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Users } from "../../../src/host/users.ts";

let folder = "";
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), "guestd-users-"))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const PASSWD = `root:x:0:0:root:/root:/bin/bash
# a comment
user:x:1000:1000:A User,,,:/home/user:/bin/zsh
plain:x:1001:100::/home/plain:
homeless:x:1002:100:::/usr/sbin/nologin

`;
const GROUP = `root:x:0:
users:x:100:
user:x:1000:
docker:x:998:user,plain
sudo:x:27:user
again:x:1000:user
`;

function createUsers(passwd = PASSWD, group = GROUP): Users {
  writeFileSync(join(folder, "passwd"), passwd);
  writeFileSync(join(folder, "group"), group);
  return new Users({ passwd: join(folder, "passwd"), group: join(folder, "group") });
}

/** Files as they were long ago: a change now is seen even where clocks of file systems are coarse. */
function makeOld(...names: string[]): void {
  for (const name of names) utimesSync(join(folder, name), 1000, 1000);
}

describe("an account", () => {
  test("has its ids, home, shell, and its groups with the primary one first and none twice", () => {
    expect(createUsers().get("user")).toEqual({
      name: "user",
      uid: 1000,
      gid: 1000,
      groups: [1000, 998, 27],
      home: "/home/user",
      shell: "/bin/zsh",
    });
  });

  test("without a home or a shell gets / and /bin/sh", () => {
    const users = createUsers();
    expect(users.get("plain")).toMatchObject({ groups: [100, 998], shell: "/bin/sh" });
    expect(users.get("homeless").home).toBe("/");
  });

  test("that does not exist is undefined, or unauthenticated with the contract's words", () => {
    const users = createUsers();
    for (const name of ["nobody-here", "", "USER", "1000", "user ", "# a comment", "../user", "__proto__"]) {
      expect(users.find(name)).toBeUndefined();
      expect(() => users.get(name)).toThrowError(
        expect.objectContaining({
          code: "unauthenticated",
          reason: "user_unknown",
          message: `invalid username: '${name}'`,
        }),
      );
    }
  });

  test("named twice is the first one, as getpwnam(3) has it", () => {
    const users = createUsers(`${PASSWD}user:x:0:0::/root:/bin/sh\n`);
    expect(users.get("user").uid).toBe(1000);
  });
});

describe("names of ids", () => {
  test("come from the first line that has the id, else the number as text", () => {
    const users = createUsers(`${PASSWD}toor:x:0:0::/root:/bin/sh\n`);
    expect([users.userName(0), users.userName(1000), users.userName(4242)]).toEqual(["root", "user", "4242"]);
    expect([users.groupName(27), users.groupName(1000), users.groupName(4242)]).toEqual(["sudo", "user", "4242"]);
  });
});

describe("a database that changes", () => {
  test("is read again: a new account, a new group, an account that is gone", () => {
    const users = createUsers();
    expect(users.find("late")).toBeUndefined();
    makeOld("passwd", "group");
    users.find("late");
    writeFileSync(join(folder, "passwd"), `${PASSWD}late:x:2000:2000::/home/late:/bin/sh\n`);
    expect(users.get("late").groups).toEqual([2000]);
    writeFileSync(join(folder, "group"), `${GROUP}wheel:x:10:late\n`);
    expect(users.get("late").groups).toEqual([2000, 10]);
    writeFileSync(join(folder, "passwd"), "root:x:0:0::/root:/bin/sh\n");
    expect([users.find("late"), users.find("user")]).toEqual([undefined, undefined]);
  });

  test("is read again when it is replaced by a file of the same size and time, as useradd does", () => {
    const users = createUsers();
    makeOld("passwd");
    expect(users.get("user").uid).toBe(1000);
    writeFileSync(join(folder, "new"), PASSWD.replace("user:x:1000", "user:x:1009"));
    const { atime, mtime } = statSync(join(folder, "passwd"));
    utimesSync(join(folder, "new"), atime, mtime);
    renameSync(join(folder, "new"), join(folder, "passwd"));
    expect(users.get("user").uid).toBe(1009);
  });

  test("may be missing altogether: no accounts, until there is one", () => {
    const users = new Users({ passwd: join(folder, "passwd"), group: join(folder, "group") });
    expect([users.find("root"), users.userName(0)]).toEqual([undefined, "0"]);
    createUsers();
    expect(users.get("user").groups).toEqual([1000, 998, 27]);
  });
});

describe("odd lines", () => {
  test("in passwd are passed over: no name, no numbers, too few fields", () => {
    const odd = [
      ":x:5:5::/:/bin/sh",
      "nouid:x::5::/:",
      "nogid:x:5:::/:",
      "text:x:abc:5::/:",
      "neg:x:-1:-1::/:",
      `nochange:x:${2 ** 32 - 1}:5::/:`,
      `wraps:x:${2 ** 32}:5::/:`,
      "+::::::",
      "x",
    ];
    const users = createUsers(`${odd.join("\n")}\n${PASSWD}`);
    for (const name of ["", "nouid", "nogid", "text", "neg", "nochange", "wraps", "+", "x"]) {
      expect(users.find(name)).toBeUndefined();
    }
    expect(users.get("user").uid).toBe(1000);
  });

  test("in group that have no number put nobody into root's group", () => {
    const odd = ["empty:x::user", "text:x:abc:user", "neg:x:-1:user", "float:x:1.5:user", "hex:x:0x10:user", "short"];
    const users = createUsers(PASSWD, `${odd.join("\n")}\n${GROUP}`);
    expect(users.get("user").groups).toEqual([1000, 998, 27]);
    expect(users.groupName(0)).toBe("root");
  });

  test("in group with blanks between the members still list them", () => {
    const users = createUsers(PASSWD, "docker:x:998:,user,,plain,\n");
    expect([users.get("user").groups, users.get("plain").groups]).toEqual([
      [1000, 998],
      [100, 998],
    ]);
  });

  test("at the end without a line feed count", () => {
    expect(createUsers("last:x:7:7::/home/last:/bin/sh", "seven:x:7:last").get("last").groups).toEqual([7]);
  });
});

describe("the account this process runs as", () => {
  test("is the one of its user id", () => {
    const { uid, name } = new Users().self();
    expect(uid).toBe(process.geteuid?.());
    expect(new Users().userName(uid)).toBe(name);
  });

  test("without a line in the database has its number as name and / as home", () => {
    const gid = process.getegid?.() ?? 0;
    const uid = process.geteuid?.() ?? 0;
    const self = createUsers("", "").self();
    expect(self).toEqual({ name: String(uid), uid, gid, groups: [gid], home: "/", shell: "/bin/sh" });
  });

  test("is not somebody whose name is our number", () => {
    const uid = process.geteuid?.() ?? 0;
    const self = createUsers(`${uid}:x:77:77::/elsewhere:/bin/sh\n`, "").self();
    expect(self).toMatchObject({ name: String(uid), uid });
  });
});
