import { constants } from "node:os";
import { getSystemErrorMessage } from "node:util";
import koffi from "koffi";

/*
 * The few calls of the C library that Node has no function for, bound once. This is the only file that imports koffi.
 * Those that return a promise run on another thread. All others return at once; none may be called with a descriptor that can block.
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

const AT_FDCWD = -100;
const AT_SYMLINK_FOLLOW = 0x400;
const RENAME_NOREPLACE = 1;
/** Names of all attributes of one file: the kernel's own limit (XATTR_LIST_MAX). */
const ATTRIBUTE_LIST_BYTES = 64 * 1024;
const ATTRIBUTE_VALUE_BYTES = 64 * 1024;
/** koffi throws when more than 256 calls are under way. */
const MAX_BACKGROUND_CALLS = 64;

const library = koffi.load("libc.so.6");
const bind = <F>(signature: string): F => library.func(signature) as F;
type IntCall<A extends unknown[]> = (...args: A) => number;
/** A call that may wait for a disk or a file server: made on a thread of libuv's pool. */
type BackgroundCall<A extends unknown[]> = {
  async(...args: [...A, (error: Error | null, result: number) => void]): void;
};

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
  listxattr: bind<IntCall<[Buffer, Buffer | null, number]> & BackgroundCall<[Buffer, Buffer, number]>>(
    "int64_t listxattr(const void *path, void *list, size_t size)",
  ),
  getxattr: bind<BackgroundCall<[Buffer, string, Buffer, number]>>(
    "int64_t getxattr(const void *path, const char *name, void *value, size_t size)",
  ),
  setxattr: bind<BackgroundCall<[Buffer, string, Buffer, number, number]>>(
    "int setxattr(const void *path, const char *name, const void *value, size_t size, int flags)",
  ),
  removexattr: bind<BackgroundCall<[Buffer, string]>>("int removexattr(const void *path, const char *name)"),
  linkat: bind<BackgroundCall<[number, Buffer, number, Buffer, number]>>(
    "int linkat(int from_fd, const void *from, int to_fd, const void *to, int flags)",
  ),
  renameat2: bind<BackgroundCall<[number, Buffer, number, Buffer, number]>>(
    "int renameat2(int from_fd, const void *from, int to_fd, const void *to, uint32_t flags)",
  ),
  mallocTrim: bind<BackgroundCall<[number]>>("int malloc_trim(size_t pad)"),
  mkfifo: bind<BackgroundCall<[Buffer, number]>>("int mkfifo(const void *path, uint32_t mode)"),
  posixSpawn: bind<IntCall<[number[], string, Buffer, Buffer, (string | null)[], (string | null)[]]>>(
    "int posix_spawn(_Out_ int *pid, const char *file, void *actions, void *attributes, const char **argv, const char **envp)",
  ),
};

/** A system error as Node makes them: `code` is the symbolic name, `errno` negative. */
function systemError(errno: number, call: string): Error {
  const code = Object.entries(constants.errno).find(([, value]) => value === errno)?.[0] ?? `E${errno}`;
  const message = `${code}: ${getSystemErrorMessage(-errno)}, ${call}`;
  return Object.assign(new Error(message), { code, errno: -errno, syscall: call });
}

function check(result: number, call: string): number {
  if (result < 0) throw systemError(koffi.errno(), call);
  return result;
}

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

/** Orphans among our descendants become our children instead of process 1's. */
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

/** Arguments of the calls under way: koffi has pointers into their buffers and does not keep them alive. */
const heldArguments = new Set<readonly unknown[]>();
const waitingCalls: (() => void)[] = [];

/** Runs `call` on another thread. @throws the system error it ends with */
async function inBackground<A extends unknown[]>(name: string, call: BackgroundCall<A>, ...args: A): Promise<number> {
  if (heldArguments.size >= MAX_BACKGROUND_CALLS) {
    await new Promise<void>((resolve) => {
      waitingCalls.push(resolve);
    });
  }
  heldArguments.add(args);
  try {
    return await new Promise<number>((resolve, reject) => {
      call.async(...args, (error, result) => {
        if (error) reject(error);
        // koffi hands over the errno of the other thread for the time of this callback.
        else if (result < 0) reject(systemError(koffi.errno(), name));
        else resolve(result);
      });
    });
  } finally {
    heldArguments.delete(args);
    waitingCalls.shift()?.();
  }
}

/** A path for the kernel: bytes as they are, ended by a NUL. */
function cPath(path: string | Buffer): Buffer {
  return typeof path === "string" ? Buffer.from(`${path}\0`) : Buffer.concat([path, Buffer.of(0)]);
}

/**
 * Whether the file (the one that a link leads to) has an extended attribute whose name begins with `prefix`; false when that cannot
 * be told. Waits for the file system: for local ones, and files whose inode was just looked at.
 */
export function hasAttributes(path: string | Buffer, prefix: string): boolean {
  const file = cPath(path);
  // Most files have none; asking for no more than the length is the cheapest call.
  const length = native.listxattr(file, null, 0);
  if (length <= 0) return false;
  const names = Buffer.alloc(length);
  return native.listxattr(file, names, length) < 0 || names.includes(prefix);
}

/** Names of the extended attributes of a file; links are followed. */
export async function listAttributes(path: string | Buffer): Promise<string[]> {
  const names = Buffer.allocUnsafe(ATTRIBUTE_LIST_BYTES);
  const length = await inBackground("listxattr", native.listxattr, cPath(path), names, names.length);
  return names.toString("utf8", 0, length).split("\0").slice(0, -1);
}

/** Value of one extended attribute; links are followed. */
export async function readAttribute(path: string | Buffer, name: string): Promise<Buffer> {
  const value = Buffer.allocUnsafe(ATTRIBUTE_VALUE_BYTES);
  const length = await inBackground("getxattr", native.getxattr, cPath(path), name, value, value.length);
  return Buffer.from(value.subarray(0, length));
}

/** Sets one extended attribute; links are followed. */
export async function writeAttribute(path: string | Buffer, name: string, value: Buffer): Promise<void> {
  await inBackground("setxattr", native.setxattr, cPath(path), name, value, value.length, 0);
}

/** Removes one extended attribute; links are followed. */
export async function removeAttribute(path: string | Buffer, name: string): Promise<void> {
  await inBackground("removexattr", native.removexattr, cPath(path), name);
}

/** Gives an open file that has no name (O_TMPFILE) the name `path`; never replaces anything. */
export async function linkDescriptor(fd: number, path: string): Promise<void> {
  const from = cPath(`/proc/self/fd/${fd}`);
  await inBackground("linkat", native.linkat, AT_FDCWD, from, AT_FDCWD, cPath(path), AT_SYMLINK_FOLLOW);
}

/** Renames unless something is called `to`: EEXIST then; EINVAL where the file system cannot tell in one step. */
export async function renameExclusively(from: string | Buffer, to: string | Buffer): Promise<void> {
  const [source, target] = [cPath(from), cPath(to)];
  await inBackground("renameat2", native.renameat2, AT_FDCWD, source, AT_FDCWD, target, RENAME_NOREPLACE);
}

/** Makes a FIFO. */
export async function makeFifo(path: string | Buffer, mode: number): Promise<void> {
  await inBackground("mkfifo", native.mkfifo, cPath(path), mode);
}

/** Gives the system back what the C library keeps of memory that was freed. */
export async function returnFreeMemory(): Promise<void> {
  await inBackground("malloc_trim", native.mallocTrim, 0);
}
