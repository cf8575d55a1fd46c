import { bind, callInPool, check, type IntCall, libraryCall, type PoolCall, systemError } from "./libc-binding.ts";

/*
 * The calls of the C library about processes and descriptors that Node has no function for. Those that return a promise run on another
 * thread. All others return at once; none may be called with a descriptor that can block. Those about files are in libc-files.ts.
 */

const O_CLOEXEC = 0o2000000;
const WNOHANG = 1;
const F_SETFD = 2;
const FD_CLOEXEC = 1;
const FIONREAD = 0x541b;
const PR_SET_CHILD_SUBREAPER = 36;
const POSIX_SPAWN_SETSIGDEF = 0x04;
const POSIX_SPAWN_SETSIGMASK = 0x08;
const POSIX_SPAWN_SETSID = 0x80;
/** Bytes of glibc's opaque structures, the same on x86-64 and aarch64. */
const FILE_ACTIONS_BYTES = 80;
const SPAWN_ATTRIBUTES_BYTES = 336;
const SIGNAL_SET_BYTES = 128;

const native = {
  pipe2: bind<IntCall<[number[], number]>>("int pipe2(_Out_ int *fds, int flags)"),
  fchown: bind<IntCall<[number, number, number]>>("int fchown(int fd, int uid, int gid)"),
  fcntl: bind<IntCall<[number, number, number]>>("int fcntl(int fd, int command, int argument)"),
  ioctl: bind<IntCall<[number, number, number[]]>>("int ioctl(int fd, unsigned long request, _Out_ int *value)"),
  prctl: bind<IntCall<[number, number, number, number, number]>>(
    "int prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d)",
  ),
  waitpid: bind<IntCall<[number, number[], number]>>("int waitpid(int pid, _Out_ int *status, int options)"),
  getenv: bind<(name: string) => bigint | null>("void *getenv(const char *name)"),
  memset: bind<(target: bigint, byte: number, length: number) => bigint>(
    "void *memset(void *target, int byte, size_t length)",
  ),
  sigfillset: bind<IntCall<[Buffer]>>("int sigfillset(void *set)"),
  sigemptyset: bind<IntCall<[Buffer]>>("int sigemptyset(void *set)"),
  actionsInit: bind<IntCall<[Buffer]>>("int posix_spawn_file_actions_init(void *actions)"),
  actionsDup2: bind<IntCall<[Buffer, number, number]>>(
    "int posix_spawn_file_actions_adddup2(void *actions, int from, int to)",
  ),
  actionsClose: bind<IntCall<[Buffer, number]>>("int posix_spawn_file_actions_addclose(void *actions, int fd)"),
  actionsDestroy: bind<IntCall<[Buffer]>>("int posix_spawn_file_actions_destroy(void *actions)"),
  attributesInit: bind<IntCall<[Buffer]>>("int posix_spawnattr_init(void *attributes)"),
  attributesFlags: bind<IntCall<[Buffer, number]>>("int posix_spawnattr_setflags(void *attributes, short flags)"),
  attributesDefaults: bind<IntCall<[Buffer, Buffer]>>("int posix_spawnattr_setsigdefault(void *attributes, void *set)"),
  attributesMask: bind<IntCall<[Buffer, Buffer]>>("int posix_spawnattr_setsigmask(void *attributes, void *set)"),
  mallocTrim: bind<PoolCall<[number]>>("int malloc_trim(size_t pad)"),
  posixSpawn: bind<IntCall<[number[], string, Buffer, Buffer, (string | null)[], (string | null)[]]>>(
    "int posix_spawn(_Out_ int *pid, const char *file, void *actions, void *attributes, const char **argv, const char **envp)",
  ),
};

/** A new pipe, both ends close-on-exec. The caller closes both. */
export function pipe(): { readEnd: number; writeEnd: number } {
  const fds = [0, 0];
  check(native.pipe2(fds, O_CLOEXEC), "pipe2");
  return { readEnd: fds[0] ?? -1, writeEnd: fds[1] ?? -1 };
}

/** Gives an open pipe or terminal to a user: reopening it through /dev/stderr checks the owner. */
export function changeOwner(fd: number, uid: number, gid: number): void {
  check(native.fchown(fd, uid, gid), "fchown");
}

/** Whether programs that are started from now on inherit `fd`. */
export function setInheritable(fd: number, inheritable: boolean): void {
  check(native.fcntl(fd, F_SETFD, inheritable ? 0 : FD_CLOEXEC), "fcntl");
}

/** How many bytes a pipe or terminal holds that nobody has read. */
export function readableBytes(fd: number): number {
  const value = [0];
  check(native.ioctl(fd, FIONREAD, value), "ioctl FIONREAD");
  return value[0] ?? 0;
}

/** Orphans among our descendants become our children instead of process 1's. @throws the system error of prctl */
export function becomeSubreaper(): void {
  check(native.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "prctl");
}

/** Reaps child `pid` if it has ended: its wait status, or undefined while it runs (or when it is no child of ours). */
export function reap(pid: number): number | undefined {
  const status = [0];
  return native.waitpid(pid, status, WNOHANG) === pid ? (status[0] ?? 0) : undefined;
}

/**
 * Takes a variable out of this process for good: also out of the memory that /proc/self/environ shows,
 * which unsetting alone leaves as it was. Returns its value.
 */
export function takeFromEnvironment(name: string, environment: Record<string, string | undefined>): string | undefined {
  const value = environment[name];
  const address = native.getenv(name);
  delete environment[name];
  // An environment that was handed over as a plain object has nothing in our memory.
  if (value === undefined || address === null) return value;
  const prefix = Buffer.byteLength(name) + 1;
  native.memset(address - BigInt(prefix), 0x20, prefix + Buffer.byteLength(value));
  return value;
}

/**
 * Starts `file` in a session of its own with `fds[0]` as descriptor 0, `fds[1]` as 1 and so on, default signals and nothing
 * of our environment. Does not copy our page tables: blocks for about 0.2 ms however large this process is.
 * The caller reaps it with {@link reap} and closes `fds`.
 * @returns the process id
 */
export function spawn(file: string, argv: readonly string[], env: readonly string[], fds: readonly number[]): number {
  const actions = Buffer.alloc(FILE_ACTIONS_BYTES);
  const attributes = spawnAttributes();
  native.actionsInit(actions);
  try {
    placeDescriptors(actions, fds);
    const pid = [0];
    const errno = native.posixSpawn(pid, file, actions, attributes, [...argv, null], [...env, null]);
    if (errno !== 0) throw systemError(errno, `posix_spawn ${file}`);
    return pid[0] ?? -1;
  } finally {
    native.actionsDestroy(actions);
  }
}

/** Leaves no copy of `fds` but the ones in their places: one more would keep a pipe open that its user has closed. */
function placeDescriptors(actions: Buffer, fds: readonly number[]): void {
  const base = Math.max(...fds) + 1;
  // A source among the places is out of the way first, so that it is not overwritten before its turn.
  const sources = fds.map((fd, index) => (fd < fds.length ? base + index : fd));
  fds.forEach((fd, index) => fd < fds.length && native.actionsDup2(actions, fd, base + index));
  sources.forEach((fd, index) => native.actionsDup2(actions, fd, index));
  for (const fd of sources) if (fd >= base) native.actionsClose(actions, fd);
}

function spawnAttributes(): Buffer {
  const attributes = Buffer.alloc(SPAWN_ATTRIBUTES_BYTES);
  const signals = Buffer.alloc(SIGNAL_SET_BYTES);
  native.attributesInit(attributes);
  native.attributesFlags(attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
  native.sigemptyset(signals);
  native.attributesMask(attributes, signals);
  native.sigfillset(signals);
  native.attributesDefaults(attributes, signals);
  return attributes;
}

/** Gives the system back what the C library keeps of memory that was freed. */
export async function returnFreeMemory(): Promise<void> {
  await callInPool(libraryCall("malloc_trim", native.mallocTrim, [0]));
}
