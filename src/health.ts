import { once } from "node:events";
import { get, type IncomingMessage } from "node:http";
import { type Config, socketPath } from "./config.ts";

const TIMEOUT_MS = 5000;

/** Whether a daemon with these settings answers, and one line about it. */
export async function checkHealth(config: Config): Promise<{ text: string; isHealthy: boolean }> {
  const { name, ...address } = whereToAsk(config);
  try {
    const asking = get({ ...address, path: "/health", agent: false, signal: AbortSignal.timeout(TIMEOUT_MS) });
    const [response] = (await once(asking, "response")) as [IncomingMessage];
    response.resume();
    const { statusCode = 0 } = response;
    return statusCode < 300
      ? { text: "ok", isHealthy: true }
      : { text: `${name} answered ${statusCode}`, isHealthy: false };
  } catch (error) {
    return { text: `nothing answers on ${name}: ${causeOf(error)}`, isHealthy: false };
  }
}

/** Where a daemon that binds more than one address is asked. */
const LOOPBACK_OF: Readonly<Record<string, string>> = { localhost: "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1" };

/** The API's port, a socket file where there is none, or the interpreter's port. */
function whereToAsk(config: Config): { name: string } & ({ host: string; port: number } | { socketPath: string }) {
  const [socket] = config.listen;
  if (config.port === "off" && socket !== undefined) return { name: socket, socketPath: socketPath(socket) };
  const host = LOOPBACK_OF[config.host] ?? config.host;
  const port = Number(config.port === "off" ? config.interpreterPort : config.port);
  return { name: `${host.includes(":") ? `[${host}]` : host}:${port}`, host, port };
}

function causeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.name === "AbortError" ? `no answer within ${TIMEOUT_MS / 1000} s` : error.message;
}
