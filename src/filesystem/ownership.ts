import { SandboxError } from "../errors.ts";
import type { Users } from "../host/users.ts";
import type { Owner } from "./owner.ts";

/** Ids that fit the kernel's 32 bits; the last one means "no change" there. */
const MAX_ID = 2 ** 32 - 2;

/**
 * Whom to give something to, by names or numbers; what is not given stays as it is.
 * @throws SandboxError invalid_argument
 */
export function readOwnership(users: Users, names: { owner?: string | undefined; group?: string | undefined }): Owner {
  const { owner, group } = names;
  if (owner === undefined && group === undefined) {
    throw new SandboxError("invalid_argument", "neither owner nor group is given");
  }
  return {
    uid: owner === undefined ? -1 : readId("account", owner, (name) => users.find(name)?.uid),
    gid: group === undefined ? -1 : readId("group", group, (name) => users.findGroup(name)),
  };
}

/** Names go before numbers: an account may be called like one. */
function readId(what: string, text: string, find: (name: string) => number | undefined): number {
  const id = find(text) ?? (/^\d{1,10}$/.test(text) ? Number(text) : undefined);
  if (id !== undefined && id <= MAX_ID) return id;
  throw new SandboxError("invalid_argument", `there is no ${what} ${JSON.stringify(text)}`, {
    hint: `give the name of a known ${what}, or a number`,
  });
}
