import type { ListeningSocket } from "../host/listening-sockets.ts";

/** A port that a program of this machine listens on. */
export interface Port extends ListeningSocket {
  /** The program, as far as we may see it. */
  pid: number | undefined;
  command: string | undefined;
  /** The run whose program, or whose descendant, that is. */
  runId: string | undefined;
}

export type PortEvent = { type: "opened" | "closed"; port: Port };

/** Whether nobody outside this machine can reach a socket on `address`. */
export function isLoopbackAddress(address: string): boolean {
  return address.startsWith("127.") || address === "::1";
}
