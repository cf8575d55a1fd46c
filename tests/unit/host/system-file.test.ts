import { spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempDisposableSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readSystemFile, replaceSystemFile } from "../../../src/host/system-file.ts";
import { REPOSITORY } from "../../helpers/daemon.ts";

const isRoot = process.geteuid?.() === 0;
const place = (): ReturnType<typeof mkdtempDisposableSync> => mkdtempDisposableSync(join(tmpdir(), "guestd-system-"));

describe("a file of the system's", () => {
  test("is replaced in one step, with its mode and owner, and nothing is left beside it", async () => {
    using folder = place();
    const path = join(folder.path, "hosts");
    writeFileSync(path, "before");
    chmodSync(path, 0o640);
    if (isRoot) chownSync(path, 1, 2);
    linkSync(path, join(folder.path, "old"));
    const before = statSync(path);
    await replaceSystemFile(path, "after \xff");
    const after = statSync(path);
    expect(readFileSync(path)).toEqual(Buffer.from([...Buffer.from("after "), 0xff]));
    expect([after.mode, after.uid, after.gid]).toEqual([before.mode, before.uid, before.gid]);
    expect(after.ino).not.toBe(before.ino);
    expect(readFileSync(join(folder.path, "old"), "utf8")).toBe("before");
    expect(readdirSync(folder.path).toSorted()).toEqual(["hosts", "old"]);
  });

  test("that a link leads to is replaced where it is", async () => {
    using folder = place();
    mkdirSync(join(folder.path, "real"));
    writeFileSync(join(folder.path, "real", "file"), "before");
    symlinkSync("real/file", join(folder.path, "link"));
    await replaceSystemFile(join(folder.path, "link"), "after");
    expect(lstatSync(join(folder.path, "link")).isSymbolicLink()).toBe(true);
    expect(readFileSync(join(folder.path, "real", "file"), "utf8")).toBe("after");
  });

  test("is made where there is none", async () => {
    using folder = place();
    const path = join(folder.path, "new");
    expect(await readSystemFile(path)).toBeUndefined();
    await replaceSystemFile(path, "text");
    expect([await readSystemFile(path), statSync(path).mode & 0o777]).toEqual(["text", 0o644]);
  });

  test("in a directory that is not there is the system's error", async () => {
    using folder = place();
    await expect(replaceSystemFile(join(folder.path, "none", "file"), "x")).rejects.toMatchObject({ code: "ENOENT" });
    writeFileSync(join(folder.path, "file"), "");
    await expect(readSystemFile(join(folder.path, "file", "below"))).rejects.toMatchObject({ code: "ENOTDIR" });
  });

  // A mount namespace of its own: this machine's mounts stay as they are.
  const canMount = isRoot && spawnSync("unshare", ["--mount", "true"]).status === 0;
  test.skipIf(!canMount)("that is mounted on its own, as containers have it, is written in place", () => {
    using folder = place();
    const path = join(folder.path, "hosts");
    const source = join(folder.path, "source");
    writeFileSync(path, "below the mount");
    writeFileSync(source, "a longer text before");
    const script = join(folder.path, "replace.ts");
    writeFileSync(
      script,
      `import { replaceSystemFile } from ${JSON.stringify(join(REPOSITORY, "src/host/system-file.ts"))};
       await replaceSystemFile(${JSON.stringify(path)}, "after");`,
    );
    const line = 'mount --bind "$1" "$2" && exec "$3" "$4"';
    const ran = spawnSync("unshare", ["--mount", "sh", "-c", line, "sh", source, path, process.execPath, script], {
      encoding: "utf8",
    });
    expect([ran.status, ran.stderr]).toEqual([0, ""]);
    expect([readFileSync(source, "utf8"), readFileSync(path, "utf8")]).toEqual(["after", "below the mount"]);
    expect(readdirSync(folder.path).toSorted()).toEqual(["hosts", "replace.ts", "source"]);
  });

  test.skipIf(!canMount)("that is mounted on its own, from a disk that is full, stays as it was", () => {
    using folder = place();
    const script = join(folder.path, "replace.ts");
    const path = join(folder.path, "hosts");
    writeFileSync(path, "");
    writeFileSync(
      script,
      `import { readFileSync } from "node:fs";
       import { replaceSystemFile } from ${JSON.stringify(join(REPOSITORY, "src/host/system-file.ts"))};
       const path = ${JSON.stringify(path)};
       const error = await replaceSystemFile(path, "a".repeat(20_000)).catch((thrown) => thrown);
       console.log(error?.code, readFileSync(path, "latin1") === "b".repeat(4500));
       await replaceSystemFile(path, "c".repeat(4500));
       console.log(readFileSync(path, "latin1") === "c".repeat(4500));`,
    );
    const lines = [
      'mount -t tmpfs -o size=8k none "$1" && cd "$1"',
      "head -c 4500 /dev/zero | tr '\\0' b > file",
      'mount --bind file "$2" && exec "$3" "$4"',
    ];
    mkdirSync(join(folder.path, "small"));
    const args = ["sh", "-c", lines.join(" && "), "sh", join(folder.path, "small"), path, process.execPath, script];
    const ran = spawnSync("unshare", ["--mount", ...args], { encoding: "utf8" });
    expect([ran.status, ran.stderr, ran.stdout]).toEqual([0, "", "ENOSPC true\ntrue\n"]);
  });

  test.skipIf(!isRoot)("that its directory does not let an ordinary user replace is written in place", () => {
    using folder = place();
    const path = join(folder.path, "hosts");
    chmodSync(folder.path, 0o755);
    writeFileSync(path, "a longer text before");
    chmodSync(path, 0o666);
    const code = `import { replaceSystemFile } from ${JSON.stringify(join(REPOSITORY, "src/host/system-file.ts"))};
       // Only root may enter this folder: that account comes after what is loaded from it.
       process.setgroups([]);
       process.seteuid(65534);
       await replaceSystemFile(${JSON.stringify(path)}, "after");`;
    const args = ["--input-type=module-typescript", "--eval", code];
    const ran = spawnSync(process.execPath, args, { encoding: "utf8" });
    expect([ran.status, ran.stderr]).toEqual([0, ""]);
    expect([readFileSync(path, "utf8"), readdirSync(folder.path)]).toEqual(["after", ["hosts"]]);
  });
});
