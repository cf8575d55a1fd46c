import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { base64Writer } from "../../../src/host/base64/base64.ts";
import { writeBase64 } from "../../../src/lib/base64.ts";
import { createLogger } from "../../../src/log.ts";
import { REPOSITORY } from "../../helpers/daemon.ts";

const lines: string[] = [];
const log = createLogger({ level: "warn", format: "json", write: (line) => lines.push(line) });
const native = base64Writer(join(REPOSITORY, "dist", "guestd-base64.so"), log);

describe.each([
  ["the library's", native],
  ["Node's", writeBase64],
])("%s base64", (_name, write) => {
  test("is the text of the bytes, of any length and at any place, and nothing around it is touched", () => {
    const memory = randomBytes(4096);
    for (let length = 0; length <= 400; length += 1) {
      const from = length % 37;
      const bytes = memory.subarray(from, from + length);
      const target = Buffer.alloc(1000, "!");
      const written = write(bytes, target, 7);
      const text = target.toString("latin1", 7, 7 + written);
      expect(text).toBe(bytes.toString("base64"));
      expect(target.toString("latin1").replaceAll("!", "")).toBe(text);
    }
  });

  test("is right for every byte in every place, and for large pieces", () => {
    const all = Buffer.from(Array.from({ length: 256 * 3 * 40 }, (_, index) => (index * 167 + (index >> 8)) & 0xff));
    for (const bytes of [all, randomBytes(65_536), randomBytes(300_001)]) {
      const target = Buffer.alloc(Math.ceil(bytes.length / 3) * 4);
      expect(write(bytes, target, 0)).toBe(target.length);
      expect(target.toString("latin1")).toBe(bytes.toString("base64"));
    }
  });
});

test("the library is loaded here, and refuses to write where there is no room", () => {
  expect(lines).toEqual([]);
  expect(native).not.toBe(writeBase64);
  expect(() => native(Buffer.alloc(100), Buffer.alloc(135), 0)).toThrow(RangeError);
});

test("without the library Node's way serves, and the log says so", () => {
  expect(base64Writer("/nowhere/guestd-base64.so", log)).toBe(writeBase64);
  expect(lines.splice(0).join()).toContain('"event":"base64.portable"');
});
