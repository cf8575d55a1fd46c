import { bind, check, type IntCall } from "./libc-binding.ts";

/* The machine's clock. */

const CLOCK_REALTIME = 0;
const NS_PER_MS = 1_000_000n;
const NS_PER_SECOND = 1_000_000_000n;

const clockSettime = bind<IntCall<[number, Buffer]>>("int clock_settime(int clock, const void *time)");

/** A clock that tells the time, in nanoseconds since 1970, and can be set. */
export interface Clock {
  nowNs(): bigint;
  /** @throws the system error: EPERM without CAP_SYS_TIME, EINVAL for a time that cannot be */
  set(ns: bigint): void;
}

/** The clock that all programs of this machine go by. */
export const SYSTEM_CLOCK: Clock = {
  nowNs: () => BigInt(Date.now()) * NS_PER_MS,
  set: (ns) => setRealtime(ns / NS_PER_SECOND, ns % NS_PER_SECOND),
};

/** Sets CLOCK_REALTIME. @throws the system error; EINVAL, whoever asks, unless `nanoseconds` is below 10⁹ and the time not before the machine's start */
export function setRealtime(seconds: bigint, nanoseconds: bigint): void {
  const time = Buffer.alloc(16);
  time.writeBigInt64LE(seconds, 0);
  time.writeBigInt64LE(nanoseconds, 8);
  check(clockSettime(CLOCK_REALTIME, time), "clock_settime");
}
