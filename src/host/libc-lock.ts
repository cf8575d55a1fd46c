import { bind, check, type IntCall } from "./libc-binding.ts";

/* Locks between processes, which Node does not have. */

const LOCK_SH = 1;
const LOCK_EX = 2;
const LOCK_NB = 4;

const flock = bind<IntCall<[number, number]>>("int flock(int fd, int operation)");

/**
 * Waits, with the whole thread, until this process alone holds the open file: until it is closed, or the process ends.
 * @throws the system error
 */
export function lockFile(fd: number): void {
  check(flock(fd, LOCK_EX), "flock");
}

/** Holds the open file together with others; without waiting. @throws the system error, EAGAIN when somebody has it alone */
export function shareFile(fd: number): void {
  check(flock(fd, LOCK_SH | LOCK_NB), "flock");
}

/** Whether nobody else holds the file, who has it alone now. */
export function tryLockFile(fd: number): boolean {
  return flock(fd, LOCK_EX | LOCK_NB) === 0;
}
