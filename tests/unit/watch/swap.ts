import { bind, check, type IntCall } from "../../../src/host/libc-binding.ts";

const AT_FDCWD = -100;
const RENAME_EXCHANGE = 2;
const renameat2 = bind<IntCall<[number, string, number, string, number]>>(
  "int renameat2(int from_fd, const char *from, int to_fd, const char *to, uint32_t flags)",
);

/** Swaps two names in one step. @throws the system error */
export function swap(one: string, other: string): void {
  check(renameat2(AT_FDCWD, one, AT_FDCWD, other, RENAME_EXCHANGE), "renameat2");
}
