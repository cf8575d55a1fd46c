import { once } from "node:events";
import { readdirSync, readlinkSync } from "node:fs";
import { open, readdir, readFile, stat, truncate, writeFile } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { until } from "../helpers/daemon.ts";
import { NativeFiles } from "../helpers/native-files.ts";
import { readersDuringRewrites } from "../helpers/torn-reads.ts";
import { type TestServer, testServer } from "../unit/filesystem/server.ts";
import { onFileServer } from "./file-server.ts";

const MIB = 1024 * 1024;

let server: TestServer;
let root: string;
onFileServer((place) => {
  ({ server, root } = place);
});

const client = new NativeFiles(() => server.url);

async function openSocket(port = server.port): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  await once(socket, "connect");
  return socket;
}

/** A request that says its body is `declared` bytes long and stops after `sent`. */
async function partial(
  line: string,
  sizes: { declared: number; sent: number },
  { headers = "", port = server.port } = {},
): Promise<Socket> {
  const socket = await openSocket(port);
  socket.write(`${line} HTTP/1.1\r\nHost: localhost\r\n${headers}Content-Length: ${sizes.declared}\r\n\r\n`);
  const { promise, resolve } = Promise.withResolvers<void>();
  if (socket.write(Buffer.alloc(sizes.sent, "n"))) resolve();
  else socket.once("drain", resolve);
  await promise;
  return socket;
}

/** Files below `root` that this process, which the daemon runs in, has open. */
function openFiles(): string[] {
  const links = readdirSync("/proc/self/fd").map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return ""; // closed since
    }
  });
  return links.filter((path) => path.startsWith(root) || path.startsWith(server.files.spool));
}

describe("a client that goes away", () => {
  test.each([0, 1, 100_000, 3 * MIB])("after %i bytes of a PUT leaves what was there", async (sent) => {
    const path = join(root, "a");
    await writeFile(path, "old content");
    for (const query of ["", "?append=1"]) {
      const socket = await partial(`PUT /v1/files${path}${query}`, { declared: sent + 10, sent });
      socket.destroy();
      await once(socket, "close");
    }
    await until(() => openFiles().length === 0);
    expect(await readFile(path, "utf8")).toBe("old content");
    expect([await readdir(root), await readdir(server.files.spool)]).toEqual([["a"], []]);
  });

  test("in a PATCH leaves what had come, to go on from", async () => {
    const path = join(root, "a");
    const declared = 4 * MIB;
    const range = `Content-Range: bytes 0-${declared - 1}/${declared}\r\n`;
    const socket = await partial(`PATCH /v1/files${path}`, { declared, sent: 3 * MIB }, { headers: range });
    await until(async () => ((await stat(path).catch(() => undefined))?.size ?? 0) > 0);
    socket.destroy();
    await once(socket, "close");
    await until(() => openFiles().length === 0);
    const { size } = await stat(path);
    const rest = Buffer.alloc(declared - size, "n");
    const last = await client.patch(path, rest, `bytes ${size}-${declared - 1}/${declared}`);
    expect(last.status).toBe(200);
    expect((await readFile(path)).equals(Buffer.alloc(declared, "n"))).toBe(true);
  });

  test("in a GET lets go of the file", async () => {
    const path = join(root, "large");
    await writeFile(path, "");
    await truncate(path, 64 * MIB);
    const socket = await openSocket();
    socket.write(`GET /v1/files${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    await once(socket, "data");
    expect(openFiles()).toEqual([path]);
    socket.destroy();
    await until(() => openFiles().length === 0);
  });

  test("silently in a PUT is given up on", async () => {
    // Only here: on a busy machine an honest client may pause as long.
    await using impatient = await testServer({ uploadIdleMs: 300 });
    const path = join(root, "a");
    await writeFile(path, "old content");
    const socket = await partial(`PUT /v1/files${path}`, { declared: 1000, sent: 100 }, { port: impatient.port });
    const [chunk] = (await once(socket, "data")) as [Buffer];
    expect(chunk.toString()).toContain("HTTP/1.1 504");
    expect(await readFile(path, "utf8")).toBe("old content");
    socket.destroy();
  });
});

describe("a download", () => {
  test("waits for a client that reads slowly, and holds up nobody else", async () => {
    const path = join(root, "large");
    await writeFile(path, "");
    await truncate(path, 64 * MIB);
    const response = await client.request("GET", path);
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    let bytes = (await reader.read()).value?.length ?? 0;
    for (let index = 0; index < 20; index += 1) {
      expect((await client.request("HEAD", path)).status).toBe(200);
    }
    for (let part = await reader.read(); !part.done; part = await reader.read()) bytes += part.value.length;
    expect(bytes).toBe(64 * MIB);
  });

  test("of a file that becomes shorter breaks off instead of pretending", async () => {
    const path = join(root, "large");
    await writeFile(path, "");
    await truncate(path, 64 * MIB);
    const response = await client.request("GET", path);
    await truncate(path, 100);
    await expect(response.arrayBuffer()).rejects.toThrow(/terminated|aborted/);
  });

  test("of a file that is replaced goes on with the old one", async () => {
    const path = join(root, "large");
    await using file = await open(path, "w");
    await file.truncate(64 * MIB);
    const response = await client.request("GET", path);
    expect((await client.put(path, "new")).status).toBe(200);
    expect((await response.arrayBuffer()).byteLength).toBe(64 * MIB);
    expect(await (await client.request("GET", path)).text()).toBe("new");
  });
});

test("readers during rewrites never see a torn file", async () => {
  const result = await readersDuringRewrites(client, join(root, "a"), { readers: 8, writers: 2, reads: 200 });
  expect(result).toMatchObject({ torn: 0, reads: 200 });
  expect(result.rewrites).toBeGreaterThan(1);
});
