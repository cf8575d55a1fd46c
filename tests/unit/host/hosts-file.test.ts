import { mkdtempDisposableSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { setHost, withHost } from "../../../src/host/hosts-file.ts";

const NAME = "events.e2b.local";
const OWN = `10.0.0.1\t${NAME}\n`;
const DEBIAN = "127.0.0.1\tlocalhost\n::1 localhost ip6-localhost\n\n# events.e2b.local is not here\n";

describe("a name in a hosts file", () => {
  test.each([
    ["an empty file", "", OWN],
    ["the end", DEBIAN, DEBIAN + OWN],
    ["the end, after a line without one", "127.0.0.1 localhost", `127.0.0.1 localhost\n${OWN}`],
    ["its line", `1.2.3.4 ${NAME}\n${DEBIAN}`, OWN + DEBIAN],
    ["its last line", `${DEBIAN}1.2.3.4 ${NAME}`, DEBIAN + OWN],
    ["the first of several", `${DEBIAN}::2 ${NAME}\n${DEBIAN}  1.2.3.4\t${NAME} # x\n`, DEBIAN + OWN + DEBIAN],
    [
      "a line of its own, out of one with others",
      `1.2.3.4  a\t${NAME} b # ${NAME}\r\nc`,
      `1.2.3.4  a b # ${NAME}\r\n${OWN}c`,
    ],
    ["a line of its own, out of the last one", `1.2.3.4 a Events.E2B.Local`, `1.2.3.4 a\n${OWN}`],
    ["the end, whatever else it is part of", `1.2.3.4 x.${NAME} ${NAME}x\n`, `1.2.3.4 x.${NAME} ${NAME}x\n${OWN}`],
  ])("gets %s, and once it is there nothing changes", (_where, before, after) => {
    expect(withHost(before, NAME, "10.0.0.1")).toBe(after);
    expect(withHost(after, NAME, "10.0.0.1")).toBe(after);
    expect(withHost(after, NAME, "fd00::1")).toBe(after.replace("10.0.0.1", "fd00::1"));
  });

  test("leaves bytes that are no text as they are, and a file that says so already untouched", async () => {
    using folder = mkdtempDisposableSync(join(tmpdir(), "guestd-hosts-"));
    const path = join(folder.path, "hosts");
    const odd = Buffer.from([0x23, 0xff, 0xc3, 0x0a, 0x00, 0x0a]);
    writeFileSync(path, odd);
    await setHost(path, NAME, "10.0.0.1");
    expect(readFileSync(path)).toEqual(Buffer.concat([odd, Buffer.from(OWN)]));
    const { ino, mtimeMs } = statSync(path);
    await setHost(path, NAME, "10.0.0.1");
    expect(statSync(path)).toMatchObject({ ino, mtimeMs });
  });
});
