import type { Hono } from "hono";
import type { Listeners } from "./listeners.ts";
import type { EdgeEnv } from "./request-context.ts";

/** Where a daemon is to be reached. */
export interface Addresses {
  host: string;
  port: number | "off";
  interpreterPort: number | "off";
  /** Paths of socket files. */
  sockets: readonly string[];
  /** Permission bits of these files, octal. */
  listenMode: string;
}

/** Opens each port on each address of the host, and the sockets; returns the port numbers, the API's first. @throws SandboxError */
export async function openPorts(app: Hono<EdgeEnv>, listeners: Listeners, addresses: Addresses): Promise<number[]> {
  const ports: number[] = [];
  for (const [wanted, face] of [
    [addresses.port, "api"],
    [addresses.interpreterPort, "interpreter"],
  ] as const) {
    if (wanted === "off") continue;
    const [host = addresses.host, second] = addresses.host === "localhost" ? ["127.0.0.1", "::1"] : [addresses.host];
    const port = await listeners.open(app, { host, port: wanted, face });
    if (second) await listeners.open(app, { host: second, port, face, isOptional: true });
    ports.push(port);
  }
  const mode = Number.parseInt(addresses.listenMode, 8);
  for (const path of addresses.sockets) await listeners.openSocket(app, path, mode);
  return ports;
}

/** The first address that a client may use. */
export function urlOf(host: string, port: number): string {
  return `http://${host.includes(":") ? `[${host}]` : host}:${port}`;
}
