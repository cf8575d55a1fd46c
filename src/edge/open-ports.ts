import type { Hono } from "hono";
import type { Listeners } from "./listeners.ts";
import type { EdgeEnv } from "./request-context.ts";

const SOCKET_PREFIX = "unix:";

/** Where a daemon is to be reached. */
export interface Addresses {
  host: string;
  port: number;
  interpreterPort: number | "off";
  /** `unix:/path` of each socket file. */
  listen: readonly string[];
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
  for (const address of addresses.listen) await listeners.openSocket(app, address.slice(SOCKET_PREFIX.length));
  return ports;
}

/** The first address that a client may use. */
export function urlOf(host: string, port: number): string {
  return `http://${host.includes(":") ? `[${host}]` : host}:${port}`;
}
