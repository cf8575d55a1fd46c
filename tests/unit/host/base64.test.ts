import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { loadBase64 } from "../../../src/host/base64/base64.ts";
import { portableBase64 } from "../../../src/lib/base64.ts";
import { createLogger } from "../../../src/log.ts";
import { REPOSITORY } from "../../helpers/daemon.ts";

const lines: string[] = [];
const log = createLogger({ level: "warn", format: "json", write: (line) => lines.push(line) });
const native = loadBase64(join(REPOSITORY, "dist", "guestd-base64.so"), log);

describe.each([
  ["the library's", native],
  ["Node's", portableBase64],
])("%s base64", (_name, { write, read }) => {
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

  test("is read back, padded or not, in both alphabets, of any length and at any place", () => {
    const memory = randomBytes(4096);
    for (let length = 0; length <= 400; length += 1) {
      const bytes = memory.subarray(length, length * 2);
      for (const text of [bytes.toString("base64"), bytes.toString("base64url")]) {
        const message = Buffer.from(`"${text}"`);
        expect(read(message.subarray(1, 1 + text.length))?.equals(bytes)).toBe(true);
        expect([message.at(0), message.at(-1)]).toEqual([0x22, 0x22]);
      }
    }
    const large = randomBytes(300_001);
    expect(read(Buffer.from(large.toString("base64")))?.equals(large)).toBe(true);
  });

  test("is refused when one character is none, wherever it stands, or the length fits no bytes", () => {
    const text = Buffer.from(randomBytes(150).toString("base64"));
    const others = Array.from({ length: 256 }, (_, byte) => byte).filter((byte) => !isDigit(byte));
    for (let at = 0; at < text.length - 2; at += 1) {
      for (const byte of at % 16 === 0 ? others : [0, 0x20, 0x3d, 0xff]) {
        const broken = Buffer.from(text);
        broken[at] = byte;
        expect(read(broken), `byte ${byte} at ${at}`).toBeUndefined();
        expect(broken[at]).toBe(byte);
        expect(broken.fill(text[at] ?? 0, at, at + 1).equals(text)).toBe(true);
      }
    }
    expect(["a", "aGkha", "="].map((short) => read(Buffer.from(short)))).toEqual([
      undefined,
      undefined,
      Buffer.alloc(0),
    ]);
  });
});

function isDigit(byte: number): boolean {
  return /[\w+/-]/.test(String.fromCharCode(byte)) && byte < 0x80;
}

test("the library is loaded here, and refuses to write where there is no room", () => {
  expect(lines).toEqual([]);
  expect(native).not.toBe(portableBase64);
  expect(() => native.write(Buffer.alloc(100), Buffer.alloc(135), 0)).toThrow(RangeError);
});

test("without the library Node's way serves, and the log says so", () => {
  expect(loadBase64("/nowhere/guestd-base64.so", log)).toBe(portableBase64);
  expect(lines.splice(0).join()).toContain('"event":"base64.portable"');
});
