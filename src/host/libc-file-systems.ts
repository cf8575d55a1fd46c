import { bind, callInPool, check, type IntCall, libraryCall, type PoolCall } from "./libc-binding.ts";

/* Calls of the C library about whole file systems. */

const FIFREEZE = 0xc0045877;
const FITHAW = 0xc0045878;

const native = {
  ioctl: bind<IntCall<[number, number, number]> & PoolCall<[number, number, number]>>(
    "int ioctl(int fd, unsigned long request, int argument)",
  ),
};

/** Writes out the file system that `fd` is on, and lets nothing more be written to it. May take as long as the disk does. */
export async function freezeFileSystem(fd: number): Promise<void> {
  await callInPool(libraryCall("ioctl FIFREEZE", native.ioctl, [fd, FIFREEZE, 0]));
}

/** Lets it be written to again. On this thread: all of the pool's may be waiting for just that. */
export function thawFileSystem(fd: number): void {
  check(native.ioctl(fd, FITHAW, 0), "ioctl FITHAW");
}
