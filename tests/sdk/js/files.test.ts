import { FileNotFoundError, FileType, InvalidArgumentError, type Sandbox } from "e2b";
import { describe, expect, test } from "vitest";
import { SDK_PLACES } from "../../helpers/sdk-place.ts";
import { onSandbox } from "./sandbox.ts";

async function text(stream: ReadableStream<Uint8Array>): Promise<string> {
  return new Response(stream as ReadableStream<Uint8Array<ArrayBuffer>>).text();
}

describe.each(SDK_PLACES)("%s", (_name, start) => {
  let sandbox: Sandbox;
  let folder: string;
  onSandbox(start, (place) => {
    ({ sandbox, folder } = place);
  });

  test("what is written is read back as text, bytes, blob and stream", async () => {
    const content = "hello ü 😀\nline two";
    const written = await sandbox.files.write(`${folder}/a.txt`, content);
    expect(written).toEqual({ name: "a.txt", path: `${folder}/a.txt`, type: "file" });
    expect(await sandbox.files.read(`${folder}/a.txt`)).toBe(content);
    expect(Buffer.from(await sandbox.files.read(`${folder}/a.txt`, { format: "bytes" })).toString()).toBe(content);
    expect(await (await sandbox.files.read(`${folder}/a.txt`, { format: "blob" })).text()).toBe(content);
    expect(await text(await sandbox.files.read(`${folder}/a.txt`, { format: "stream" }))).toBe(content);
  });

  test("bytes, blobs and streams are written", async () => {
    const bytes = new Uint8Array([0, 255, 10, 13, 128]);
    await sandbox.files.write(`${folder}/bytes`, bytes.buffer);
    expect([...(await sandbox.files.read(`${folder}/bytes`, { format: "bytes" }))]).toEqual([...bytes]);
    await sandbox.files.write(`${folder}/blob`, new Blob(["blob"]));
    expect(await sandbox.files.read(`${folder}/blob`)).toBe("blob");
    await sandbox.files.write(`${folder}/stream`, new Blob(["stream"]).stream());
    expect(await sandbox.files.read(`${folder}/stream`)).toBe("stream");
  });

  test("an empty file is written and read in every format", async () => {
    await sandbox.files.write(`${folder}/empty`, "");
    expect(await sandbox.files.read(`${folder}/empty`)).toBe("");
    expect(await sandbox.files.read(`${folder}/empty`, { format: "bytes" })).toHaveLength(0);
  });

  test("several files are written at once, with the folders they need", async () => {
    const files = [1, 2, 3].map((index) => ({ path: `${folder}/deep/er/${index}.txt`, data: `file ${index}` }));
    expect((await sandbox.files.write(files)).map(({ path }) => path)).toEqual(files.map(({ path }) => path));
    for (const { path, data } of files) expect(await sandbox.files.read(path)).toBe(data);
    expect(await sandbox.files.write([])).toEqual([]);
    const again = await sandbox.files.writeFiles(files.map(({ path }) => ({ path, data: "again" })));
    expect(again.map(({ name }) => name)).toEqual(["1.txt", "2.txt", "3.txt"]);
    for (const { path } of files) expect(await sandbox.files.read(path)).toBe("again");
  });

  test("gzip works both ways", async () => {
    const content = "compress me ".repeat(10_000);
    await sandbox.files.write(`${folder}/z.txt`, content, { gzip: true });
    expect(await sandbox.files.read(`${folder}/z.txt`, { gzip: true })).toBe(content);
    expect((await sandbox.files.getInfo(`${folder}/z.txt`)).size).toBe(content.length);
  });

  test("raw bodies and forms write the same, with metadata that the next write replaces", async () => {
    for (const useOctetStream of [true, false]) {
      const path = `${folder}/raw-${useOctetStream}`;
      const metadata = { author: "ann", kind: "note" };
      expect(await sandbox.files.write(path, "content", { useOctetStream, metadata })).toMatchObject({
        path,
        metadata,
      });
      expect(await sandbox.files.read(path)).toBe("content");
      expect((await sandbox.files.getInfo(path)).metadata).toEqual(metadata);
      expect((await sandbox.files.list(folder)).find((entry) => entry.path === path)?.metadata).toEqual(metadata);
      const moved = await sandbox.files.rename(path, `${path}-moved`);
      expect(moved.metadata).toEqual(metadata);
      await sandbox.files.write(moved.path, "again", { useOctetStream });
      expect((await sandbox.files.getInfo(moved.path)).metadata ?? {}).toEqual({});
    }
  });

  test("writing replaces the content of an existing file", async () => {
    await sandbox.files.write(`${folder}/a`, "a much longer first content");
    await sandbox.files.write(`${folder}/a`, "short");
    expect(await sandbox.files.read(`${folder}/a`)).toBe("short");
  });

  test("a relative path is relative to home", async () => {
    const name = `guestd-test-${process.pid}.txt`;
    const { path } = await sandbox.files.write(name, "home");
    expect(path).toBe(`${(await sandbox.commands.run("printf %s ~")).stdout}/${name}`);
    await sandbox.files.remove(name);
  });

  test("list gives entries in order, down to a depth", async () => {
    await sandbox.files.write([
      { path: `${folder}/b.txt`, data: "b" },
      { path: `${folder}/a/inner.txt`, data: "inner" },
      { path: `${folder}/a/deep/est.txt`, data: "est" },
    ]);
    const flat = await sandbox.files.list(folder);
    expect(flat.map(({ name, type }) => [name, type])).toEqual([
      ["a", FileType.DIR],
      ["b.txt", FileType.FILE],
    ]);
    const deep = await sandbox.files.list(folder, { depth: 3 });
    expect(deep.map(({ path }) => path.slice(folder.length))).toEqual([
      "/a",
      "/a/deep",
      "/a/deep/est.txt",
      "/a/inner.txt",
      "/b.txt",
    ]);
  });

  test("info tells size, mode, owner and time", async () => {
    await sandbox.files.write(`${folder}/info.txt`, "12345");
    const info = await sandbox.files.getInfo(`${folder}/info.txt`);
    expect(info).toMatchObject({
      name: "info.txt",
      type: FileType.FILE,
      size: 5,
      mode: 0o644,
      permissions: "-rw-r--r--",
    });
    expect(info.owner).toBe((await sandbox.commands.run("id -un")).stdout.trim());
    expect(Math.abs(Date.now() - (info.modifiedTime?.getTime() ?? 0))).toBeLessThan(60_000);
  });

  test("info tells where a symbolic link leads", async () => {
    await sandbox.commands.run(`echo x > ${folder}/real && ln -s real ${folder}/link`);
    const info = await sandbox.files.getInfo(`${folder}/link`);
    expect(info).toMatchObject({ type: FileType.FILE, symlinkTarget: `${folder}/real` });
  });

  test("exists, makeDir, rename and remove do what they say", async () => {
    expect(await sandbox.files.exists(`${folder}/new`)).toBe(false);
    expect(await sandbox.files.makeDir(`${folder}/new/er`)).toBe(true);
    expect(await sandbox.files.makeDir(`${folder}/new/er`)).toBe(false);
    expect(await sandbox.files.exists(`${folder}/new/er`)).toBe(true);
    await sandbox.files.write(`${folder}/from`, "content");
    const moved = await sandbox.files.rename(`${folder}/from`, `${folder}/new/to`);
    expect(moved).toMatchObject({ name: "to", path: `${folder}/new/to` });
    expect(await sandbox.files.exists(`${folder}/from`)).toBe(false);
    expect(await sandbox.files.read(`${folder}/new/to`)).toBe("content");
    await sandbox.files.remove(`${folder}/new`);
    expect(await sandbox.files.exists(`${folder}/new/to`)).toBe(false);
    await sandbox.files.remove(`${folder}/new`);
  });

  test("what is not there is FileNotFoundError everywhere", async () => {
    const missing = `${folder}/missing`;
    await expect(sandbox.files.read(missing)).rejects.toBeInstanceOf(FileNotFoundError);
    await expect(sandbox.files.list(missing)).rejects.toBeInstanceOf(FileNotFoundError);
    await expect(sandbox.files.getInfo(missing)).rejects.toBeInstanceOf(FileNotFoundError);
    await expect(sandbox.files.rename(missing, `${folder}/x`)).rejects.toBeInstanceOf(FileNotFoundError);
  });

  test("a folder cannot be read and a file cannot be listed", async () => {
    await sandbox.files.write(`${folder}/file`, "x");
    await expect(sandbox.files.read(folder)).rejects.toBeInstanceOf(InvalidArgumentError);
    await expect(sandbox.files.list(`${folder}/file`)).rejects.toBeInstanceOf(InvalidArgumentError);
  });

  test("names of every kind survive", async () => {
    const names = ["sp ace", "quote'\"", "ü😀", "percent%20", "new\nline", "semi;colon&amp"];
    for (const name of names) await sandbox.files.write(`${folder}/${name}`, name);
    expect((await sandbox.files.list(folder)).map(({ name }) => name).toSorted()).toEqual(names.toSorted());
    for (const name of names) expect(await sandbox.files.read(`${folder}/${name}`)).toBe(name);
  });
});
