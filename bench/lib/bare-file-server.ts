// The bare limit of transfers: node:http and streams, nothing in between; see bare-files.ts.
import { createReadStream, createWriteStream } from "node:fs";
import { lstat } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { pipeline } from "node:stream/promises";

async function answer(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  const path = new URL(incoming.url ?? "/", "http://localhost").searchParams.get("path") ?? "";
  try {
    if (incoming.url === "/empty") {
      outgoing.end();
    } else if (incoming.url?.endsWith("/Stat")) {
      const asked = JSON.parse(Buffer.concat(await incoming.toArray()).toString()) as { path: string };
      const { size, mode, mtimeNs } = await lstat(asked.path, { bigint: true });
      outgoing.end(
        JSON.stringify({ path: asked.path, size: String(size), mode: Number(mode), mtime: String(mtimeNs) }),
      );
    } else if (incoming.method === "POST") {
      await pipeline(incoming, createWriteStream(path));
      outgoing.end("[]");
    } else {
      await pipeline(createReadStream(path), outgoing);
    }
  } catch {
    outgoing.destroy();
  }
}

const server = createServer((incoming, outgoing) => void answer(incoming, outgoing));
server.listen(0, "127.0.0.1", () => process.send?.((server.address() as AddressInfo).port));
process.once("disconnect", () => process.exit(0));
