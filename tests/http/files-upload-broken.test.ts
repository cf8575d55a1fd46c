import { once } from "node:events";
import { readdir, readFile } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { smallDisk } from "../unit/filesystem/bodies.ts";
import { type TestServer, testServer } from "../unit/filesystem/server.ts";
import { onFileServer } from "./file-server.ts";
import { expectError, OCTETS, post } from "./upload-client.ts";

const MIB = 1024 * 1024;

let server: TestServer;
let root: string;
onFileServer(
  (place) => {
    ({ server, root } = place);
  },
  { makesRoot: false },
);

describe("failures", () => {
  test("of the path and the user have the contract's words", async () => {
    const body = "x";
    await expectError(
      await post(server, { path: server.files.root }, { headers: OCTETS, body }),
      400,
      `path is a directory: ${server.files.root}`,
    );
    await expectError(
      await post(server, { path: "~other/x" }, { headers: OCTETS, body }),
      400,
      `error resolving path: failed to expand path '' for user '${server.files.users.self().name}': cannot expand user-specific home dir`,
    );
    await expectError(
      await post(server, { path: join(root, "a"), username: "no-such-user" }, { headers: OCTETS, body }),
      401,
      "error looking up user 'no-such-user': user: unknown user no-such-user",
    );
    await expectError(
      await post(server, { path: "/dev/null" }, { headers: OCTETS, body }),
      400,
      "path is not a regular file: /dev/null",
    );
    const long = await post(server, { path: join(root, "x".repeat(256)) }, { headers: OCTETS, body });
    expect([long.status, (await post(server, { path: `${root}/a\0b` }, { headers: OCTETS, body })).status]).toEqual([
      400, 400,
    ]);
  });

  test("of a full disk name the size that was announced", async (context) => {
    await using disk = await smallDisk("size=1m");
    if (!disk) return context.skip();
    const body = Buffer.alloc(2 * MIB);
    await expectError(
      await post(server, { path: join(disk.path, "a") }, { headers: OCTETS, body }),
      507,
      `attempted to write ${2 * MIB} bytes: not enough disk space available`,
    );
    expect(await readdir(disk.path)).toEqual([]);
  });

  test("leave the connection good for the next request", async () => {
    const socket = await open();
    const body = "x".repeat(1000);
    socket.write(`POST /files HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n${body}`);
    expect(await head(socket)).toContain("400");
    socket.write("GET /files?path=/proc/self/status HTTP/1.1\r\nHost: localhost\r\n\r\n");
    expect(await head(socket)).toContain("200");
    socket.destroy();
  });
});

async function open({ port }: { port: number } = server): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  await once(socket, "connect");
  return socket;
}

/** The next status line. */
async function head(socket: Socket): Promise<string> {
  const [chunk] = (await once(socket, "data")) as [Buffer];
  return chunk.toString().split("\r\n")[0] ?? "";
}

/** A request for `path` that says it is `declared` bytes long and stops after `sent`. */
async function partial(
  path: string,
  sizes: { declared: number; sent: number },
  { port }: { port: number } = server,
): Promise<Socket> {
  const socket = await open({ port });
  socket.write(
    `POST /files?path=${encodeURIComponent(path)} HTTP/1.1\r\nHost: localhost\r\n` +
      `Content-Type: application/octet-stream\r\nContent-Length: ${sizes.declared}\r\n\r\n`,
  );
  const { promise, resolve } = Promise.withResolvers<void>();
  if (socket.write(Buffer.alloc(sizes.sent, "n"))) resolve();
  else socket.once("drain", resolve);
  await promise;
  return socket;
}

async function temporaryFiles(): Promise<string[]> {
  return [...(await readdir(server.files.spool)), ...(await readdir(root))].filter((name) => name !== "a");
}

describe("a client that goes away", () => {
  test.each([0, 1, 100_000, 300_000, 3 * MIB])(
    "after %i bytes leaves what was there and nothing else",
    async (sent) => {
      const path = join(root, "a");
      await post(server, { path }, { headers: OCTETS, body: "old content" });
      const socket = await partial(path, { declared: sent + 10, sent });
      socket.destroy();
      await once(socket, "close");
      // Answered after the daemon has seen the end of the first connection, or before: either way nothing may change.
      expect((await fetch(`${server.url}/files?path=${encodeURIComponent(path)}`)).status).toBe(200);
      expect(await readFile(path, "utf8")).toBe("old content");
      expect(await temporaryFiles()).toEqual([]);
    },
  );

  test("silently is given up on", async () => {
    await using impatient = await testServer({ uploadIdleMs: 300 });
    const path = join(root, "a");
    await post(server, { path }, { headers: OCTETS, body: "old content" });
    const socket = await partial(path, { declared: 1000, sent: 100 }, impatient);
    expect(await head(socket)).toContain("504");
    await once(socket, "close");
    expect(await readFile(path, "utf8")).toBe("old content");
  });
});
