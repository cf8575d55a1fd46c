import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";

/** A new UUID (version 4) with each reading. */
const KERNEL_UUID = "/proc/sys/kernel/random/uuid";

/** A random UUID, by Linux where it can be had: for the start, which is not to wait until Node's cryptography is loaded. */
export function kernelUuid(source = KERNEL_UUID): string {
  try {
    return readFileSync(source, "latin1").trim();
  } catch {
    return randomUUID(); // no /proc, or one with less in it
  }
}
