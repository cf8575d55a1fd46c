import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { randomBytes } from "node:crypto";

/** The version of the wire contract that the SDKs are told; it decides which features they use. */
const ENVD_VERSION = "0.6.13";

export interface ControlPlane extends AsyncDisposable {
  readonly url: string;
  /** An API key that the SDKs accept. */
  readonly apiKey: string;
  /** Sandboxes that exist, by id, with the variables they were created with. */
  readonly sandboxes: ReadonlyMap<string, MadeSandbox>;
}

interface MadeSandbox {
  envs: Record<string, string>;
  startedAt: Date;
  endAt: Date;
}

/**
 * Stands in for the service that makes sandboxes, as far as the SDKs need it: create, connect, list, get, metrics, timeout, kill.
 * All its sandboxes are the one daemon at `daemonUrl`, which it initialises with `token` as the real one does.
 */
export async function startControlPlane(daemonUrl: string, token: string): Promise<ControlPlane> {
  const apiKey = `e2b_${randomBytes(20).toString("hex")}`;
  const sandboxes = new Map<string, MadeSandbox>();
  const describe = (id: string): Record<string, unknown> => ({
    sandboxID: id,
    templateID: "base",
    clientID: "test",
    alias: "base",
    envdVersion: ENVD_VERSION,
    envdAccessToken: token,
    state: "running",
    cpuCount: 2,
    memoryMB: 512,
    diskSizeMB: 512,
    startedAt: sandboxes.get(id)?.startedAt.toISOString(),
    endAt: sandboxes.get(id)?.endAt.toISOString(),
  });

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const reply = (status: number, body?: unknown): void => {
      response
        .writeHead(status, { "content-type": "application/json" })
        .end(body === undefined ? undefined : JSON.stringify(body));
    };
    if (request.headers["x-api-key"] !== apiKey) return reply(401, { code: 401, message: "invalid API key" });
    const body = await readJson(request);
    const [path = ""] = (request.url ?? "").replace(/^\/v2/, "").split("?");
    const id = /^\/sandboxes\/([^/]+)/.exec(path)?.[1];
    if (request.method === "POST" && path === "/sandboxes") {
      const created = `sbx${randomBytes(6).toString("hex")}`;
      const envs = (body["envVars"] ?? {}) as Record<string, string>;
      sandboxes.set(created, { envs, startedAt: inSeconds(0), endAt: inSeconds(3600) });
      await initialize(daemonUrl, token, envs);
      return reply(201, describe(created));
    }
    if (request.method === "GET" && path === "/sandboxes") return reply(200, [...sandboxes.keys()].map(describe));
    const sandbox = sandboxes.get(id ?? "");
    if (id === undefined || !sandbox) return reply(404, { code: 404, message: `sandbox ${id} not found` });
    if (request.method === "DELETE") {
      sandboxes.delete(id);
      return reply(204);
    }
    if (path.endsWith("/metrics")) return reply(200, [await metricsOf(daemonUrl, token)]);
    if (path.endsWith("/timeout")) {
      sandbox.endAt = inSeconds(Number(body["timeout"]));
      return reply(204);
    }
    return reply(200, describe(id));
  }

  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => response.writeHead(500).end(String(error)));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    apiKey,
    sandboxes,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function initialize(daemonUrl: string, accessToken: string, envVars: Record<string, string>): Promise<void> {
  const body = JSON.stringify({ accessToken, envVars, timestamp: new Date().toISOString() });
  const { status } = await fetch(`${daemonUrl}/init`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body,
  });
  if (status !== 204) throw new Error(`/init answered ${status}`);
}

/** What the daemon measures, in the names of the service. */
async function metricsOf(daemonUrl: string, token: string): Promise<Record<string, unknown>> {
  const answer = await fetch(`${daemonUrl}/metrics`, { headers: { "X-Access-Token": token } });
  const figures = (await answer.json()) as Record<string, number>;
  return {
    timestamp: new Date((figures["ts"] ?? 0) * 1000).toISOString(),
    timestampUnix: figures["ts"],
    cpuCount: figures["cpu_count"],
    cpuUsedPct: figures["cpu_used_pct"],
    memTotal: figures["mem_total"],
    memUsed: figures["mem_used"],
    memCache: figures["mem_cache"],
    diskTotal: figures["disk_total"],
    diskUsed: figures["disk_used"],
  };
}

function inSeconds(seconds: number): Date {
  return new Date(Date.now() + seconds * 1000);
}

async function readJson(request: IncomingMessage): Promise<Record<string, unknown>> {
  let text = "";
  for await (const chunk of request) text += String(chunk);
  return text === "" ? {} : (JSON.parse(text) as Record<string, unknown>);
}
