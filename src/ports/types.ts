import type { ListeningSocket } from "../host/listening-sockets.ts";

/** A port that a program of this machine listens on. */
export interface Port extends ListeningSocket {
  /** The program, as far as we may see it. */
  pid: number | undefined;
  command: string | undefined;
  /** The run whose program, or whose descendant, that is. */
  runId: string | undefined;
  /** The code context whose kernel, or whose descendant, that is. */
  contextId: string | undefined;
  /** Whether it descends from this daemon, also when the run is long forgotten. */
  isOurs: boolean;
}

export type PortEvent = { type: "opened" | "closed"; port: Port };

/** How the IPv6 form of an IPv4 address begins. */
const MAPPED = "::ffff:";

/** `127.0.0.1` for `::ffff:127.0.0.1`; any other address as it is. */
export function plainAddress(address: string): string {
  return address.startsWith(MAPPED) ? address.slice(MAPPED.length) : address;
}

/** Whether nobody outside this machine can reach a socket on `address`. */
export function isLoopbackAddress(address: string): boolean {
  return plainAddress(address).startsWith("127.") || address === "::1";
}
