import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { filesOfLogin, WatchedFiles } from "../../../src/processes/login/watched-files.ts";

const place = { env: { HOME: "/home/somebody", PATH: "/usr/bin:/bin" }, cwd: "/work" };

function pathsOf(trace: string, searchPath = ""): Map<string, string> | undefined {
  return filesOfLogin(place, trace, [searchPath]);
}

describe("the files of a login", () => {
  test("are the usual ones, whether they are there or not", () => {
    const paths = [...(pathsOf("")?.keys() ?? [])];
    expect(paths).toEqual(
      expect.arrayContaining([
        "/etc/profile",
        "/etc/profile.d",
        "/home/somebody/.bash_profile",
        "/home/somebody/.profile",
      ]),
    );
  });

  test.each([
    ["+ . /opt/tool/env.sh", "/opt/tool/env.sh", "entry"],
    ["+ . /opt/tool/env.sh", "/opt/tool", "listing"],
    ["++ source '/opt/my tool/env.sh' --quiet", "/opt/my tool/env.sh", "entry"],
    ["++ '[' -d /home/somebody/bin ']'", "/home/somebody/bin", "entry"],
    ["+ [[ -s /opt/nvm/nvm.sh ]]", "/opt/nvm/nvm.sh", "entry"],
    ["+ '[' -r '/etc/more.d/*.sh' ']'", "/etc/more.d", "listing"],
    ["+ test -e marker", "/work/marker", "entry"],
    ["+ '[' -f 'a marker' ']'", "/work/a marker", "entry"],
    ["++ cat /etc/token", "/etc/token", "entry"],
    ["+ PATH=/opt/a:/opt/b:/bin", "/opt/b", "entry"],
    ["+++ tool --config=/etc/tool.conf", "/etc/tool.conf", "entry"],
  ])("are told by %s", (line, path, aspect) => {
    expect(pathsOf(`+ A=1\n${line}\n`)?.get(path)).toBe(aspect);
  });

  test("are those of the search path too, for what is found there or not", () => {
    const paths = pathsOf("+ command -v tool", "/opt/bin:relative::/bin");
    expect([paths?.get("/opt/bin"), paths?.get("/bin"), paths?.get("relative")]).toEqual([
      "listing",
      "listing",
      undefined,
    ]);
  });

  test("are none of the kernel's", () => {
    const paths = [...(pathsOf("+ cat /proc/uptime /sys/class /dev/null\n")?.keys() ?? [])];
    expect(paths.filter((path) => /^\/(proc|sys|dev)/.test(path))).toEqual([]);
  });

  test("cannot be told when a name was looked up along a path, or there are too many", () => {
    expect(pathsOf("+ . env.sh\n")).toBeUndefined();
    expect(pathsOf("++ source ./env.sh\n")).toBeUndefined();
    expect(pathsOf(Array.from({ length: 1000 }, (_, index) => `+ cat /file${index}`).join("\n"))).toBeUndefined();
  });
});

describe("a change is seen", () => {
  let folder: string;
  let file: string;
  let watched: WatchedFiles;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "guestd-watched-"));
    file = join(folder, "file");
    writeFileSync(file, "1");
    symlinkSync("file", join(folder, "link"));
    mkdirSync(join(folder, "listed"));
    mkdirSync(join(folder, "there"));
    watched = new WatchedFiles(
      new Map([
        [file, "entry"],
        [join(folder, "link"), "entry"],
        [join(folder, "none"), "entry"],
        [join(folder, "listed"), "listing"],
        [join(folder, "there"), "entry"],
      ]),
    );
    expect(watched.isCurrent()).toBe(true);
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  test.each<[string, () => void]>([
    ["of a file's length", () => appendFileSync(file, "2")],
    ["of its mode", () => chmodSync(file, 0o600)],
    [
      "of the file behind the name",
      () => {
        writeFileSync(join(folder, "new"), "2");
        renameSync(join(folder, "new"), file);
      },
    ],
    ["when it goes", () => rmSync(file)],
    ["when what was not there comes", () => writeFileSync(join(folder, "none"), "")],
    ["when a directory gets an entry", () => writeFileSync(join(folder, "listed", "a"), "")],
    ["when a directory goes", () => rmSync(join(folder, "there"), { recursive: true })],
    ["when a directory is closed", () => chmodSync(join(folder, "there"), 0o700)],
  ])("%s", (_, change) => {
    change();
    expect(watched.isCurrent()).toBe(false);
  });

  test("but not when a directory that only has to be there gets an entry", () => {
    writeFileSync(join(folder, "there", "a"), "");
    expect(watched.isCurrent()).toBe(true);
  });
});
