import { randomBytes } from "node:crypto";
import { base64Decode } from "@bufbuild/protobuf/wire";
import { expect, test } from "vitest";
import { setBytesFromBase64 } from "../../../src/contracts/set-bytes-from-base64.ts";

test.each([0, 1, 2, 3, 4, 5, 6, 1000, 65_537])("reads what protobuf reads, %d bytes", (size) => {
  const [larger, at] = [new Uint8Array(size + 20), 10];
  const bytes = larger.subarray(at, at + size);
  const padded = randomBytes(size).toString("base64");
  for (const text of [padded, padded.replace(/=+$/, "")]) {
    bytes.fill(0);
    expect(setBytesFromBase64.call(bytes, text)).toEqual({ read: text.length, written: size });
    expect(bytes).toEqual(base64Decode(text));
  }
  expect([...larger.subarray(0, at), ...larger.subarray(at + size)]).toEqual(Array.from({ length: 20 }, () => 0));
});

test.each(["Q", "Q===", "QQ=", "QQ==QQ==", "_-A=", "QU JD", "QUJD\n", "QUJDé", "===="])(
  "leaves %j to protobuf",
  (text) => {
    expect(() => setBytesFromBase64.call(new Uint8Array(100), text)).toThrow("no plain base64");
  },
);
