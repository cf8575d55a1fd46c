import { once } from "node:events";
import { mkdir, open, symlink, truncate, writeFile } from "node:fs/promises";
import { get, type IncomingMessage } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { OWN_FILE_ACCESS } from "../../src/host/own-file-access.ts";
import { type TestServer, testServer } from "../unit/filesystem/server.ts";

const MIB = 1024 * 1024;
const TEXT = "some text that compresses well\n".repeat(10_000);
const LARGE = Buffer.from(Array.from({ length: 3 * MIB + 7 }, (_, index) => (index * 7919) >> 3));

let server: TestServer;
let root: string;

beforeAll(async () => {
  server = await testServer();
  root = server.files.root;
  await writeFile(join(root, "hello.txt"), "hello world");
  await writeFile(join(root, "empty"), "");
  await writeFile(join(root, "text.txt"), TEXT);
  await writeFile(join(root, "large.bin"), LARGE);
});
afterAll(() => server[Symbol.asyncDispose]());

interface Answer {
  status: number | undefined;
  headers: IncomingMessage["headers"];
  body: Buffer;
}

/** As sent, nothing decoded. */
async function read(
  path: string,
  options: { headers?: Record<string, string>; method?: string; query?: Record<string, string> } = {},
): Promise<Answer> {
  const { headers = {}, method = "GET", query = {} } = options;
  const url = `${server.url}/files?${new URLSearchParams({ path, ...query }).toString()}`;
  const request = get(url, { headers, method });
  const [response] = (await once(request, "response")) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return { status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks) };
}

describe("a file", () => {
  test("comes whole, with all that is known of it", async () => {
    const { status, headers, body } = await read(join(root, "hello.txt"));
    expect([status, body.toString()]).toEqual([200, "hello world"]);
    expect(headers).toMatchObject({
      "content-type": "text/plain; charset=utf-8",
      "content-length": "11",
      "content-disposition": "inline; filename=hello.txt",
      "accept-ranges": "bytes",
      vary: "Accept-Encoding",
      etag: expect.stringMatching(/^"[^"]+"$/),
      "last-modified": expect.stringMatching(/GMT$/),
    });
    expect(headers["content-encoding"]).toBeUndefined();
  });

  test("of any size comes whole", async () => {
    expect((await read(join(root, "large.bin"))).body.equals(LARGE)).toBe(true);
    const empty = await read(join(root, "empty"), { headers: { "Accept-Encoding": "gzip" } });
    expect([empty.status, empty.headers["content-length"], empty.body.length]).toEqual([200, "0", 0]);
    expect(empty.headers["content-type"]).toBe("text/plain; charset=utf-8");
    for (const size of [1, 65_535, 65_536, 65_537, 256 * 1024, 768 * 1024, 768 * 1024 + 1]) {
      await writeFile(join(root, "sized"), LARGE.subarray(0, size));
      expect((await read(join(root, "sized"))).body.equals(LARGE.subarray(0, size)), String(size)).toBe(true);
    }
  });

  test("is described by HEAD without being sent", async () => {
    const { status, headers, body } = await read(join(root, "large.bin"), { method: "HEAD" });
    expect([status, headers["content-length"], body.length]).toEqual([200, String(LARGE.length), 0]);
    expect(headers["etag"]).toBe((await read(join(root, "large.bin"))).headers["etag"]);
    expect((await read(join(root, "no-such-file"), { method: "HEAD" })).status).toBe(404);
  });

  test("is found through links, and as the user's", async () => {
    await symlink("hello.txt", join(root, "link"));
    expect((await read(join(root, "link"))).body.toString()).toBe("hello world");
    expect((await read("no-such-file-in-home")).body.toString()).toContain(
      join(server.files.users.self().home, "no-such-file-in-home"),
    );
  });
});

describe("parts and conditions", () => {
  test.each([
    ["bytes=0-4", "0-4"],
    ["bytes=1000000-2000000", "1000000-2000000"],
    ["bytes=3145000-", `3145000-${LARGE.length - 1}`],
    ["bytes=-7", `${LARGE.length - 7}-${LARGE.length - 1}`],
  ])("range %s", async (range, expected) => {
    const { status, headers, body } = await read(join(root, "large.bin"), { headers: { Range: range } });
    const [start = 0, last = 0] = expected.split("-").map(Number);
    expect([status, headers["content-range"]]).toEqual([206, `bytes ${expected}/${LARGE.length}`]);
    expect(headers["content-length"]).toBe(String(last - start + 1));
    expect(body.equals(LARGE.subarray(start, last + 1))).toBe(true);
  });

  test("a range that is not in the file says how much there is", async () => {
    const { status, headers } = await read(join(root, "hello.txt"), { headers: { Range: "bytes=11-" } });
    expect([status, headers["content-range"]]).toEqual([416, "bytes */11"]);
  });

  test.each(["hello.txt", "large.bin"])(
    "several ranges of %s are parts of one body, in the order asked for",
    async (name) => {
      const content = name === "hello.txt" ? Buffer.from("hello world") : LARGE;
      const last = content.length - 1;
      const asked = [
        [last - 2, last],
        [0, 1],
        [4, Math.min(1_500_000, last - 4)],
      ] as const;
      const range = `bytes=${asked.map(([from, to]) => `${from}-${to}`).join(", ")}, 99999999-`;
      const { status, headers, body } = await read(join(root, name), { headers: { Range: range } });
      expect([status, headers["content-length"]]).toEqual([206, String(body.length)]);
      const [, boundary = ""] = /^multipart\/byteranges; boundary=(\S+)$/.exec(headers["content-type"] ?? "") ?? [];
      const whole = (await read(join(root, name))).headers["content-type"];
      const parts = asked.map(([from, to]) =>
        Buffer.concat([
          Buffer.from(
            `--${boundary}\r\nContent-Type: ${whole}\r\nContent-Range: bytes ${from}-${to}/${content.length}\r\n\r\n`,
          ),
          content.subarray(from, to + 1),
          Buffer.from("\r\n"),
        ]),
      );
      expect(body.equals(Buffer.concat([...parts, Buffer.from(`--${boundary}--\r\n`)]))).toBe(true);
      const head = await read(join(root, name), { method: "HEAD", headers: { Range: range } });
      expect([head.status, head.headers["content-length"]]).toEqual([206, String(body.length)]);
    },
  );

  test("several ranges of which one is left are that one; overlapping ones are answered with everything", async () => {
    const path = join(root, "hello.txt");
    const one = await read(path, { headers: { Range: "bytes=20-30,6-" } });
    expect([one.status, one.headers["content-range"], one.body.toString()]).toEqual([206, "bytes 6-10/11", "world"]);
    const all = await read(path, { headers: { Range: "bytes=0-4,4-5" } });
    expect([all.status, all.body.toString()]).toEqual([200, "hello world"]);
  });

  test("several ranges of a file that has changed are answered with everything", async () => {
    const { status, body } = await read(join(root, "hello.txt"), {
      headers: { Range: "bytes=0-1,3-4", "If-Range": '"another"' },
    });
    expect([status, body.toString()]).toEqual([200, "hello world"]);
  });

  test("an unchanged file is not sent again, a changed one is", async () => {
    const path = join(root, "changing");
    await writeFile(path, "one");
    const etag = (await read(path)).headers["etag"] ?? "";
    const again = await read(path, { headers: { "If-None-Match": etag } });
    expect([again.status, again.headers["etag"], again.body.length]).toEqual([304, etag, 0]);
    expect((await read(path, { headers: { "If-Match": etag } })).status).toBe(200);
    await writeFile(path, "two");
    expect((await read(path, { headers: { "If-None-Match": etag } })).body.toString()).toBe("two");
    expect((await read(path, { headers: { "If-Match": etag } })).status).toBe(412);
    const resumed = await read(path, { headers: { "If-Range": etag, Range: "bytes=1-" } });
    expect([resumed.status, resumed.body.toString()]).toEqual([200, "two"]);
  });
});

describe("compression", () => {
  test("comes when the client likes it and it pays", async () => {
    const { headers, body } = await read(join(root, "text.txt"), { headers: { "Accept-Encoding": "gzip, deflate" } });
    expect(headers).toMatchObject({ "content-encoding": "gzip", "content-type": "text/plain; charset=utf-8" });
    expect(body.length).toBeLessThan(TEXT.length / 5);
    expect(gunzipSync(body).toString()).toBe(TEXT);
    expect(await (await fetch(`${server.url}/files?path=${join(root, "text.txt")}`)).text()).toBe(TEXT);
  });

  test("stays away from small files, from bytes that gain nothing, and from ranges", async () => {
    const headers = { "Accept-Encoding": "gzip" };
    for (const [name, more] of [["hello.txt"], ["large.bin"], ["text.txt", { Range: "bytes=0-9" }]] as const) {
      const answer = await read(join(root, name), { headers: { ...headers, ...more } });
      expect(answer.headers["content-encoding"], name).toBeUndefined();
    }
  });

  test("comes for anything when the client takes nothing else", async () => {
    const { headers, body } = await read(join(root, "hello.txt"), {
      headers: { "Accept-Encoding": "gzip, identity;q=0" },
    });
    expect([headers["content-encoding"], gunzipSync(body).toString()]).toEqual(["gzip", "hello world"]);
  });

  test.each([
    [
      { "Accept-Encoding": "identity;q=0" },
      "error parsing Accept-Encoding: no acceptable encoding found, supported: [gzip]",
    ],
    [
      { "Accept-Encoding": "gzip, *;q=0", Range: "bytes=0-1" },
      "identity encoding not acceptable for Range or conditional request",
    ],
  ])("is missed where nothing is acceptable (%#)", async (headers, message) => {
    const { status, body } = await read(join(root, "hello.txt"), { headers });
    expect([status, JSON.parse(body.toString())]).toEqual([406, { code: 406, message }]);
  });
});

describe("names", () => {
  test.each([
    ["my document.pdf", 'inline; filename="my document.pdf"'],
    ['a"b.txt', String.raw`inline; filename="a\"b.txt"`],
    ["new\nline", "inline; filename*=utf-8''new%0Aline"],
    ["文.txt", "inline; filename*=utf-8''%E6%96%87.txt"],
    ["ä".repeat(127), `inline; filename*=utf-8''${"%C3%A4".repeat(127)}`],
  ])("%j", async (name, disposition) => {
    await writeFile(join(root, name), "content");
    const { headers, body } = await read(join(root, name));
    expect([headers["content-disposition"], body.toString()]).toEqual([disposition, "content"]);
  });
});

describe("what is no ordinary file", () => {
  test("has errors in the contract's words", async () => {
    await OWN_FILE_ACCESS.makeFifo(join(root, "fifo"), 0o666);
    await mkdir(join(root, "dir"));
    const cases: [string, Record<string, string>, number, string][] = [
      [join(root, "nope"), {}, 404, `path '${root}/nope' does not exist`],
      [join(root, "dir"), {}, 400, `path '${root}/dir' is a directory`],
      [join(root, "fifo"), {}, 400, `path is not a regular file: ${root}/fifo`],
      ["/dev/zero", {}, 400, "path is not a regular file: /dev/zero"],
      [join(root, "hello.txt/x"), {}, 500, `error checking if path exists '${root}/hello.txt/x': not a directory`],
      ["x", { username: "nope" }, 401, "error looking up user 'nope': user: unknown user nope"],
      [
        "~x",
        {},
        400,
        `error expanding and resolving path '~x': failed to expand path '' for user '${server.files.users.self().name}': cannot expand user-specific home dir`,
      ],
    ];
    for (const [path, query, code, message] of cases) {
      const { status, headers, body } = await read(path, { query });
      expect([status, JSON.parse(body.toString())], path).toEqual([code, { code, message }]);
      expect(headers["content-type"]).toContain("application/json");
    }
    const bad = await read("x", { query: { signature_expiration: "soon" } });
    expect([bad.status, bad.headers["content-type"]]).toEqual([400, expect.stringContaining("text/plain")]);
    expect(bad.body.toString()).toMatch(/^Invalid format for parameter signature_expiration: /);
  });

  test("but read from the kernel comes whole, though it says that it is empty", async () => {
    const { status, headers, body } = await read("/proc/self/status");
    expect([status, headers["etag"], headers["content-length"]]).toEqual([200, undefined, String(body.length)]);
    expect(body.toString()).toContain(`Pid:\t${process.pid}`);
    const zipped = await read("/proc/self/status", { headers: { "Accept-Encoding": "gzip, identity;q=0" } });
    expect(gunzipSync(zipped.body).toString()).toContain(`Pid:\t${process.pid}`);
    expect((await read("/proc/self/status", { headers: { Range: "bytes=0-1" } })).status).toBe(200);
  });

  test("but longer than the kernel says comes to its end", async () => {
    const { status, body } = await read("/proc/kallsyms");
    expect(status).toBe(200);
    expect(body.subarray(-1).toString()).toBe("\n");
    expect(body.length).toBeGreaterThan(100_000);
  });
});

/** The head of an answer on a socket that is not read further. */
async function begin(path: string): Promise<{ socket: ReturnType<typeof connect>; received: () => Promise<Buffer> }> {
  const socket = connect({ port: server.port, host: "127.0.0.1" });
  socket.write(`GET /files?path=${encodeURIComponent(path)} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
  const [first] = (await once(socket, "data")) as [Buffer];
  socket.pause();
  const chunks = [first];
  return {
    socket,
    received: async () => {
      socket
        .on("data", (chunk) => chunks.push(chunk))
        .on("error", () => undefined)
        .resume();
      await once(socket, "close");
      const all = Buffer.concat(chunks);
      return all.subarray(all.indexOf("\r\n\r\n") + 4);
    },
  };
}

describe("changes under way", () => {
  test("a file that becomes shorter cuts the connection", async () => {
    const path = join(root, "shrinking");
    await writeFile(path, Buffer.alloc(64 * MIB));
    const { received } = await begin(path);
    await truncate(path, MIB);
    expect((await received()).length).toBeLessThan(64 * MIB);
  });

  test("a file that becomes longer is sent as long as it was", async () => {
    const path = join(root, "growing");
    await writeFile(path, Buffer.alloc(32 * MIB));
    const { socket, received } = await begin(path);
    await using file = await open(path, "a");
    await file.write(Buffer.alloc(MIB));
    socket.write("GET /nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    const body = await received();
    expect(body.subarray(32 * MIB).toString()).toMatch(/^HTTP\/1\.1 404 /);
  });

  test("a reader that goes away is noticed, others are not disturbed", async () => {
    const path = join(root, "abandoned");
    await writeFile(path, Buffer.alloc(64 * MIB));
    const readers = await Promise.all(Array.from({ length: 5 }, () => begin(path)));
    const own = read(join(root, "large.bin"));
    for (const { socket } of readers) socket.destroy();
    expect((await own).body.equals(LARGE)).toBe(true);
    expect((await read(join(root, "hello.txt"))).status).toBe(200);
  });
});
