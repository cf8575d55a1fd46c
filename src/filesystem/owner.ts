import { SandboxError } from "../errors.ts";
import type { Identity } from "../host/users.ts";

/** Ids to give to what is made; -1 leaves an id as it is. */
export interface Owner {
  uid: number;
  gid: number;
}

/**
 * Whom things that `user` makes will belong to.
 * @throws SandboxError permission_denied when guestd is not root and `user` is somebody else
 */
export function ownerFor(user: Identity): Owner {
  const uid = process.geteuid?.() ?? 0;
  if (uid === 0) return { uid: user.uid, gid: user.gid };
  if (uid === user.uid) return { uid, gid: process.getgroups?.().includes(user.gid) ? user.gid : -1 };
  throw new SandboxError(
    "permission_denied",
    `cannot make files of '${user.name}': guestd runs as uid ${uid}, and only root can give files away`,
    { reason: "user_not_switchable", hint: "start guestd as root, or ask for no user" },
  );
}
