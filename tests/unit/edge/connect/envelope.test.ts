import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { SandboxError } from "../../../../src/errors.ts";
import {
  decompress,
  endStreamFrame,
  frame,
  MAX_MESSAGE_BYTES,
  readEnvelopes,
} from "../../../../src/edge/connect/envelope.ts";

async function* body(pieces: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  for (const piece of pieces) {
    await Promise.resolve();
    yield piece;
  }
}

async function read(pieces: readonly Uint8Array[], isGzip = false): Promise<string[]> {
  const messages: string[] = [];
  for await (const message of readEnvelopes(body(pieces), { isGzip })) messages.push(message.toString("latin1"));
  return messages;
}

const REFUSED = { code: "invalid_argument" };

describe("a message in its envelope", () => {
  test("is a flag byte, its length as 32 bits and itself", () => {
    expect(frame(0, Buffer.from("hi")).toString("hex")).toBe("00000000026869");
    expect(frame(2, Buffer.alloc(0)).toString("hex")).toBe("0200000000");
    expect(frame(1, Buffer.alloc(70_000)).readUInt32BE(1)).toBe(70_000);
  });

  test("the last frame holds nothing, or the error", () => {
    expect(endStreamFrame().toString("latin1")).toBe("\x02\0\0\0\x02{}");
    const error = new SandboxError("not_found", 'no "x" – gone', { reason: "run_not_found", hint: "look elsewhere" });
    const last = endStreamFrame(error);
    expect([last[0], last.readUInt32BE(1)]).toEqual([2, last.length - 5]);
    expect(JSON.parse(last.subarray(5).toString())).toEqual({ error: { code: "not_found", message: 'no "x" – gone' } });
  });
});

/** Time for a message that comes a KiB at a time. */
async function costOf(sizeKib: number): Promise<number> {
  const bytes = frame(0, Buffer.alloc(sizeKib * 1024, "x"));
  const pieces = Array.from({ length: Math.ceil(bytes.length / 1024) }, (_, index) =>
    bytes.subarray(index * 1024, (index + 1) * 1024),
  );
  const began = performance.now();
  expect((await read(pieces))[0]?.length).toBe(sizeKib * 1024);
  return performance.now() - began;
}

describe("reading envelopes", () => {
  test("gives the same messages wherever the bytes are cut", async () => {
    const bytes = Buffer.concat([
      frame(0, Buffer.from("one")),
      frame(0, Buffer.alloc(0)),
      frame(0, Buffer.from("three")),
    ]);
    for (let one = 0; one <= bytes.length; one += 1) {
      for (let two = one; two <= bytes.length; two += 1) {
        const pieces = [bytes.subarray(0, one), bytes.subarray(one, two), bytes.subarray(two)];
        expect(await read(pieces)).toEqual(["one", "", "three"]);
      }
    }
  });

  test("gives them byte by byte as well, and each as soon as it is complete", async () => {
    const bytes = Buffer.concat([frame(0, Buffer.from("one")), frame(0, Buffer.from("two"))]);
    const seen: string[] = [];
    async function* slowly(): AsyncGenerator<Uint8Array> {
      for (const [index, byte] of bytes.entries()) {
        if (index === 8) expect(seen).toEqual(["one"]);
        yield Buffer.of(byte);
      }
    }
    for await (const message of readEnvelopes(slowly(), { isGzip: false })) seen.push(message.toString());
    expect(seen).toEqual(["one", "two"]);
  });

  test("of nothing gives nothing", async () => {
    expect(await read([])).toEqual([]);
    expect(await read([Buffer.alloc(0)])).toEqual([]);
  });

  test("in many pieces costs time in proportion to its size", async () => {
    const best = async (sizeKib: number): Promise<number> => {
      let least = Infinity;
      for (let round = 0; round < 4; round += 1) least = Math.min(least, await costOf(sizeKib));
      return least;
    };
    await costOf(256);
    // Thirty-two times as much: 32 in proportion, 1024 when each piece costs as much as all before it.
    expect((await best(8192)) / (await best(256))).toBeLessThan(256);
  });

  test("inflates what is compressed, also between what is not", async () => {
    const bytes = Buffer.concat([frame(1, gzipSync("packed")), frame(0, Buffer.from("plain")), frame(1, gzipSync(""))]);
    expect(await read([bytes], true)).toEqual(["packed", "plain", ""]);
  });

  test("takes an empty compressed message for an empty one", async () => {
    expect(await read([frame(1, Buffer.alloc(0))], true)).toEqual([""]);
  });

  test("refuses a compressed message that was not announced, and one that is no gzip", async () => {
    await expect(read([frame(1, gzipSync("x"))], false)).rejects.toMatchObject(REFUSED);
    await expect(read([frame(1, Buffer.from("no gzip"))], true)).rejects.toMatchObject(REFUSED);
    const packed = gzipSync("x".repeat(1000));
    await expect(read([frame(1, packed.subarray(0, packed.length - 4))], true)).rejects.toMatchObject(REFUSED);
  });

  test.each([2, 3, 4, 8, 128, 255])("refuses flags that no client may send: %i", async (flags) => {
    await expect(read([frame(flags, Buffer.from("{}"))], true)).rejects.toMatchObject({
      ...REFUSED,
      message: `protocol error: invalid envelope flags ${flags}`,
    });
  });

  test("refuses a body that ends inside an envelope, after the messages before it", async () => {
    const whole = frame(0, Buffer.from("whole"));
    for (let length = 1; length < whole.length; length += 1) {
      const seen: string[] = [];
      const reading = (async () => {
        for await (const message of readEnvelopes(body([whole, whole.subarray(0, length)]), { isGzip: false }))
          seen.push(message.toString());
      })();
      await expect(reading).rejects.toMatchObject({
        ...REFUSED,
        message: expect.stringContaining("incomplete envelope") as string,
      });
      expect(seen).toEqual(["whole"]);
    }
  });

  test("refuses a message that says it is too large before it has come", async () => {
    const prefix = Buffer.alloc(5);
    prefix.writeUInt32BE(MAX_MESSAGE_BYTES + 1, 1);
    async function* endless(): AsyncGenerator<Uint8Array> {
      yield prefix;
      expect.unreachable("it asked for more");
    }
    const reading = (async () => {
      for await (const _message of readEnvelopes(endless(), { isGzip: false })) continue;
    })();
    await expect(reading).rejects.toMatchObject({ code: "resource_exhausted", reason: "body_too_large" });
  });

  test("refuses a message that becomes too large by inflating it, without inflating it whole", async () => {
    const bomb = gzipSync(Buffer.alloc(MAX_MESSAGE_BYTES + 1));
    expect(bomb.length).toBeLessThan(200_000);
    await expect(read([frame(1, bomb)], true)).rejects.toMatchObject({
      code: "resource_exhausted",
      reason: "body_too_large",
    });
    await expect(decompress(bomb)).rejects.toMatchObject({ code: "resource_exhausted" });
  });
});
