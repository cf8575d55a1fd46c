import { existsSync, readFileSync, statSync } from "node:fs";
import { link, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, test } from "vitest";
import { bodyOf, collect, KIB, MIB, save } from "./bodies.ts";
import { Inotify } from "./inotify.ts";
import { testFiles } from "./server.ts";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as (options: { type: "major"; execution: "sync" }) => void;

/** Bytes of buffers that somebody still refers to. */
function memoryInUse(): number {
  // Twice: buffers found dead may only be given back by the next collection.
  for (let round = 0; round < 2; round += 1) collectGarbage({ type: "major", execution: "sync" });
  return process.memoryUsage().arrayBuffers;
}

function breakOff(): never {
  throw new Error("broke off");
}

async function* filled(byte: number, size: number): AsyncGenerator<Buffer> {
  yield Buffer.alloc(1, byte);
  yield Buffer.alloc(size - 1, byte);
}

describe("what watchers see", () => {
  test("a new small file is made, given away and written, nothing else", async () => {
    await using files = await testFiles();
    using inotify = new Inotify(files.root);
    await save(files, join(files.root, "a"), "hello");
    expect(inotify.events()).toEqual(["CREATE a", "CHMOD a", "WRITE a"]);
  });

  test("a new small file with metadata looks the same", async () => {
    await using files = await testFiles();
    using inotify = new Inotify(files.root);
    await save(files, join(files.root, "a"), "hello", { metadata: { kind: "x" } });
    expect(inotify.events()).toEqual(["CREATE a", "CHMOD a", "WRITE a"]);
  });

  test("a new large file looks the same", async () => {
    await using files = await testFiles();
    using inotify = new Inotify(files.root);
    await save(files, join(files.root, "a"), bodyOf(5 * MIB + 1));
    expect(inotify.events()).toEqual(["CREATE a", "CHMOD a", "WRITE a"]);
  });

  test.each([3, 100, 5 * MIB])("a file that is overwritten with %i bytes is given away and written", async (size) => {
    await using files = await testFiles();
    await writeFile(join(files.root, "a"), "content");
    using inotify = new Inotify(files.root);
    await save(files, join(files.root, "a"), bodyOf(size));
    expect(inotify.events()).toEqual(["CHMOD a", "WRITE a"]);
  });
});

describe("content", () => {
  test.each([0, 1, 256 * KIB, 256 * KIB + 1, 3 * MIB + 17])(
    "%i bytes arrive whole, new and over others",
    async (size) => {
      await using files = await testFiles();
      const path = join(files.root, "a");
      const expected = await collect(bodyOf(size));
      for (const before of [undefined, 0, 10, 300 * KIB, 4 * MIB]) {
        if (before === undefined) await rm(path, { force: true });
        else await writeFile(path, Buffer.alloc(before, "old"));
        await save(files, path, bodyOf(size));
        expect((await readFile(path)).equals(expected), `over ${before}`).toBe(true);
      }
      expect(await readdir(files.spool)).toEqual([]);
    },
  );

  test.each([10, 2 * MIB])(
    "with %i bytes an existing file keeps its inode, its mode and its other names",
    async (size) => {
      await using files = await testFiles();
      const [path, other] = [join(files.root, "a"), join(files.root, "b")];
      await writeFile(path, "x".repeat(1000), { mode: 0o640 });
      await link(path, other);
      const { ino } = await stat(path);
      await save(files, path, bodyOf(size));
      expect(await stat(path)).toMatchObject({ ino, size, mode: 0o100640 });
      expect((await stat(other)).ino).toBe(ino);
    },
  );

  test("memory stays flat however large a body is", async () => {
    await using files = await testFiles();
    const held: number[] = [];
    const watched = async function* (): AsyncGenerator<Buffer> {
      for (let index = 0; index < 4096; index += 1) {
        // Uncollected, what was written long ago would count too.
        if (index % 512 === 0) held.push(memoryInUse());
        yield Buffer.alloc(64 * KIB);
      }
    };
    const before = memoryInUse();
    await save(files, join(files.root, "a"), watched());
    expect(statSync(join(files.root, "a")).size).toBe(256 * MIB);
    expect(Math.max(...held) - before).toBeLessThan(8 * MIB);
  });
});

describe("a body that breaks off", () => {
  test.each([0, 1000, 256 * KIB, 300 * KIB, 3 * MIB])("after %i bytes leaves what was there", async (size) => {
    await using files = await testFiles();
    const path = join(files.root, "a");
    await writeFile(path, "old content");
    using inotify = new Inotify(files.root);
    await expect(save(files, path, bodyOf(size, breakOff))).rejects.toThrow("broke off");
    expect(await readFile(path, "utf8")).toBe("old content");
    expect(inotify.events()).toEqual([]);
    expect(await readdir(files.spool)).toEqual([]);
  });

  test.each([0, 1000, 3 * MIB])("after %i bytes leaves no file and no directory", async (size) => {
    await using files = await testFiles();
    await expect(save(files, join(files.root, "new/dir/a"), bodyOf(size, breakOff))).rejects.toThrow("broke off");
    expect(await readdir(files.root)).toEqual([]);
  });
});

describe("several at once", () => {
  test("all get into a directory that none of them finds", async () => {
    await using files = await testFiles();
    const directory = join(files.root, "deep/er/est");
    await Promise.all(
      Array.from({ length: 30 }, (_, index) => save(files, join(directory, String(index)), bodyOf(index * 20 * KIB))),
    );
    expect(await readdir(directory)).toHaveLength(30);
  });

  test("leave one of them whole, also by different names of one file", async () => {
    await using files = await testFiles();
    const [path, other] = [join(files.root, "a"), join(files.root, "b")];
    await writeFile(path, "");
    await link(path, other);
    const sizes = [10, 3 * MIB, 100 * KIB, 2 * MIB, 1, 700 * KIB];
    await Promise.all(sizes.map((size, index) => save(files, index % 2 ? path : other, filled(index + 1, size))));
    const content = readFileSync(path);
    const first = content[0] ?? 0;
    expect(content.every((byte) => byte === first)).toBe(true);
    expect(content).toHaveLength(sizes[first - 1] ?? -1);
  });

  test("make one new file, whole", async () => {
    await using files = await testFiles();
    const path = join(files.root, "new/a");
    await Promise.all([1, 2 * MIB, 3, 4 * MIB, 5].map((size) => save(files, path, bodyOf(size))));
    expect([1, 2 * MIB, 3, 4 * MIB, 5]).toContain(statSync(path).size);
  });
});

describe("metadata", () => {
  test("is replaced as a whole by every upload", async () => {
    await using files = await testFiles();
    const path = join(files.root, "a");
    const read = async (): Promise<unknown> => (await files.filesystem.stat(path, { user: undefined })).metadata;
    expect(await save(files, path, "1", { metadata: { a: "1", b: "2" } })).toEqual({
      path,
      metadata: { a: "1", b: "2" },
    });
    await save(files, path, "2", { metadata: { b: "3", c: "4" } });
    expect(await read()).toEqual({ b: "3", c: "4" });
    await save(files, path, bodyOf(2 * MIB), { metadata: { d: "5" } });
    expect(await read()).toEqual({ d: "5" });
    expect(await save(files, path, "3")).toEqual({ path, metadata: {} });
    expect(await read()).toEqual({});
    await save(files, join(files.root, "large"), bodyOf(2 * MIB), { metadata: { e: "6" } });
    expect((await files.filesystem.stat(join(files.root, "large"), { user: undefined })).metadata).toEqual({ e: "6" });
  });

  test.each([
    [{ ["k".repeat(247)]: "v" }, `metadata key "${"k".repeat(247)}" exceeds 246 bytes`],
    [{ k: "a\tb" }, 'metadata value for key "k" contains non-printable-ASCII byte 0x09 at offset 1'],
    [{ "a\x7f": "v" }, "metadata key contains non-printable-ASCII byte 0x7f at offset 1"],
    [{ k: "v".repeat(4096) }, "total metadata size 4106 exceeds 4096 bytes"],
  ])("that cannot be is refused (%#)", async (metadata, message) => {
    await using files = await testFiles();
    await expect(save(files, join(files.root, "a"), "x", { metadata })).rejects.toMatchObject({
      code: "invalid_argument",
      message: `invalid metadata: ${message}`,
    });
    expect(existsSync(join(files.root, "a"))).toBe(false);
  });
});
