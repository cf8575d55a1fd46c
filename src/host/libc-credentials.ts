import { bind, check } from "./libc-binding.ts";

/*
 * The identity of one thread. The C library's own functions change every thread of the process; the kernel's calls change the one that
 * makes them.
 */

/** Numbers of the calls that a processor's kernel has them under. */
const NUMBERS: Partial<Record<NodeJS.Architecture, { setgroups: number; setresuid: number; setresgid: number }>> = {
  x64: { setgroups: 116, setresuid: 117, setresgid: 119 },
  arm64: { setgroups: 159, setresuid: 147, setresgid: 149 },
};
const AS_IT_IS = -1;

const native = {
  syscallWithIds: bind<(number: number, real: number, effective: number, saved: number) => number>(
    "long syscall(long number, long real, long effective, long saved)",
  ),
  syscallWithList: bind<(number: number, count: number, list: Uint32Array) => number>(
    "long syscall(long number, long count, void *list)",
  ),
  // Unlike setuid and its kin these are of the calling thread also in the C library.
  setfsuid: bind<(uid: number) => number>("int setfsuid(unsigned int uid)"),
  setfsgid: bind<(gid: number) => number>("int setfsgid(unsigned int gid)"),
};

/**
 * Runs `act` with the ids that the kernel looks at for files, and for who may look into a process, on the calling thread only: nothing
 * that `act` leaves to another thread is done as them. Only root gets them; others stay who they are.
 */
export function withFileIds<T>({ uid, gid }: { uid: number; gid: number }, act: () => T): T {
  const ownGid = native.setfsgid(gid);
  const ownUid = native.setfsuid(uid);
  try {
    return act();
  } finally {
    native.setfsuid(ownUid);
    native.setfsgid(ownGid);
  }
}

/**
 * Gives the calling thread the rights of somebody, with all their groups, and takes those of root from it. The thread's real user stays
 * who it was: programs of that somebody cannot signal a thread of this process, and with it all of the process.
 * @throws the system error, EPERM when this is not root
 */
export function takeIdentity({ uid, gid, groups }: { uid: number; gid: number; groups: readonly number[] }): void {
  const numbers = NUMBERS[process.arch];
  if (!numbers) throw new Error(`how to change the identity of a thread is not known for ${process.arch}`);
  check(native.syscallWithList(numbers.setgroups, groups.length, Uint32Array.from(groups)), "setgroups");
  check(native.syscallWithIds(numbers.setresgid, AS_IT_IS, gid, AS_IT_IS), "setresgid");
  check(native.syscallWithIds(numbers.setresuid, AS_IT_IS, uid, AS_IT_IS), "setresuid");
}
