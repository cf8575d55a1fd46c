import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

export interface MetadataServer extends AsyncDisposable {
  readonly url: string;
  /** What it answers; undefined while it has nothing to say. */
  content: unknown;
  /** `PUT /latest/api/token`, in order. */
  readonly requests: string[];
  /** Takes requests and does not answer them. */
  isSilent: boolean;
}

/** A metadata service as Firecracker's, on loopback: it answers who has fetched a token before. */
export async function startMetadataServer(content?: unknown): Promise<MetadataServer> {
  const tokens = new Set<string>();
  const requests: string[] = [];
  const state = { content, isSilent: false };
  const server = createServer(({ method, url, headers }, answer) => {
    requests.push(`${method} ${url}`);
    if (state.isSilent) return;
    if (method === "PUT" && url === "/latest/api/token" && headers["x-metadata-token-ttl-seconds"] === "60") {
      const token = randomUUID();
      tokens.add(token);
      return void answer.end(token);
    }
    if (method !== "GET" || url !== "/" || !tokens.has(String(headers["x-metadata-token"])))
      return void answer.writeHead(401).end();
    if (state.content === undefined) return void answer.writeHead(404).end();
    return void answer.end(typeof state.content === "string" ? state.content : JSON.stringify(state.content));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return Object.assign(state, {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  });
}
