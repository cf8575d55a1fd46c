import { readFileSync, statSync } from "node:fs";
import { SandboxError } from "../errors.ts";

/** Who a program or file operation is: ids, supplementary groups and what the account database says of the account. */
export interface Identity {
  name: string;
  uid: number;
  gid: number;
  /** Primary group first, then every group that lists the account. */
  groups: readonly number[];
  home: string;
  shell: string;
}

const MAX_ID = 2 ** 32 - 1;

interface Database {
  stamp: string;
  users: Map<string, Identity>;
  userNames: Map<number, string>;
  groupNames: Map<number, string>;
  groupIds: Map<string, number>;
}

/**
 * The accounts of this machine, read from `/etc/passwd` and `/etc/group` and read again when either changes.
 * A static file read, no name service: the same answer in every image.
 */
export class Users {
  readonly #passwd: string;
  readonly #group: string;
  #database: Database | undefined;

  constructor(options: { passwd?: string; group?: string } = {}) {
    this.#passwd = options.passwd ?? "/etc/passwd";
    this.#group = options.group ?? "/etc/group";
  }

  /** The account of that name, or undefined. */
  find(name: string): Identity | undefined {
    return this.#load().users.get(name);
  }

  /** @throws SandboxError unauthenticated, as the wire contract says, when there is no such account. */
  get(name: string): Identity {
    const identity = this.find(name);
    if (!identity) throw new SandboxError("unauthenticated", `invalid username: '${name}'`, { reason: "user_unknown" });
    return identity;
  }

  /** The account this process runs as; one without a database entry gets a numeric name and `/` as home. */
  self(): Identity {
    const uid = process.geteuid?.() ?? 0;
    // Never by the number as a name: an account may be called like that.
    const name = this.#load().userNames.get(uid);
    const known = name === undefined ? undefined : this.find(name);
    if (known) return known;
    const gid = process.getegid?.() ?? 0;
    return { name: String(uid), uid, gid, groups: [gid], home: "/", shell: "/bin/sh" };
  }

  /** Account name of a uid, or the number as text. */
  userName(uid: number): string {
    return this.#load().userNames.get(uid) ?? String(uid);
  }

  /** Group name of a gid, or the number as text. */
  groupName(gid: number): string {
    return this.#load().groupNames.get(gid) ?? String(gid);
  }

  /** Number of the group of that name, or undefined. */
  findGroup(name: string): number | undefined {
    return this.#load().groupIds.get(name);
  }

  #load(): Database {
    const stamp = `${stampOf(this.#passwd)} ${stampOf(this.#group)}`;
    if (this.#database?.stamp !== stamp) this.#database = readDatabase(stamp, this.#passwd, this.#group);
    return this.#database;
  }
}

function stampOf(file: string): string {
  const stat = statSync(file, { bigint: true, throwIfNoEntry: false });
  return stat ? `${stat.ino}:${stat.mtimeNs}:${stat.size}` : "none";
}

function fieldsOf(file: string): string[][] {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch {
    return []; // an image without the file has no named accounts
  }
  return text
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => line.split(":"));
}

/** A user or group number; undefined for anything that the kernel would not take as one, or as "no change" (2³²-1). */
function parseId(text = ""): number | undefined {
  const id = /^\d+$/.test(text) ? Number(text) : NaN;
  return id < MAX_ID ? id : undefined;
}

function readDatabase(stamp: string, passwd: string, group: string): Database {
  const memberships = new Map<string, number[]>();
  const groupNames = new Map<number, string>();
  const groupIds = new Map<string, number>();
  for (const [name = "", , number, members = ""] of fieldsOf(group)) {
    const gid = parseId(number);
    if (gid === undefined) continue;
    if (!groupNames.has(gid)) groupNames.set(gid, name);
    if (!groupIds.has(name)) groupIds.set(name, gid);
    for (const member of members.split(",").filter(Boolean)) {
      memberships.set(member, [...(memberships.get(member) ?? []), gid]);
    }
  }
  const users = new Map<string, Identity>();
  const userNames = new Map<number, string>();
  for (const [name = "", , userNumber, groupNumber, , home = "", shell = ""] of fieldsOf(passwd)) {
    const [uid, gid] = [parseId(userNumber), parseId(groupNumber)];
    if (name === "" || users.has(name) || uid === undefined || gid === undefined) continue;
    const groups = [...new Set([gid, ...(memberships.get(name) ?? [])])];
    users.set(name, { name, uid, gid, groups, home: home || "/", shell: shell || "/bin/sh" });
    if (!userNames.has(uid)) userNames.set(uid, name);
  }
  return { stamp, users, userNames, groupNames, groupIds };
}
