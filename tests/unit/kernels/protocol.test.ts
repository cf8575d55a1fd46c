import { describe, expect, test } from "vitest";
import { adoptRequest, executeRequest, helloRequest, parseMessage } from "../../../src/kernels/protocol.ts";

describe("requests", () => {
  test("are a line with two lengths in bytes, then both parts", () => {
    expect(helloRequest("00ff").toString()).toBe("hello 0 4 0\n00ff");
    expect(executeRequest("run_1", "1+1", {}).toString()).toBe("execute run_1 3 0\n1+1");
    expect(executeRequest("r", "é😀\n", { A: "x", Ü: "€" }).toString()).toBe("execute r 7 11\né😀\nA=x\0Ü=€\0");
  });

  test("take variables away by their name alone", () => {
    expect(adoptRequest("i", "/tmp", { A: "", B: undefined }).toString()).toBe("adopt i 4 5\n/tmpA=\0B\0");
    expect(adoptRequest("i", "", {}).toString()).toBe("adopt i 0 0\n");
  });

  test("of megabytes say their true length", () => {
    const code = "x = 'ä'\n".repeat(200_000);
    const request = executeRequest("r", code, {});
    const line = request.subarray(0, request.indexOf(10)).toString();
    expect(line).toBe(`execute r ${Buffer.byteLength(code)} 0`);
    expect(request.length).toBe(line.length + 1 + Buffer.byteLength(code));
  });

  test("keep every byte of a value, and refuse variables that cannot be", () => {
    const value = 'it\'s "a" $b \\ \n é';
    expect(executeRequest("r", "", { V: value }).toString()).toBe(
      `execute r 0 ${Buffer.byteLength(value) + 3}\nV=${value}\0`,
    );
    for (const envs of [{ "": "x" }, { "A=B": "x" }, { A: "\0" }, { "A\0": "x" }]) {
      expect(() => executeRequest("r", "", envs)).toThrowError(expect.objectContaining({ code: "invalid_argument" }));
    }
  });
});

describe("events", () => {
  test.each([
    [
      '{"ev":"ready","pid":1,"engine":"toy","version":"1","b":1}',
      { type: "ready", engine: "toy", version: "1", isLoading: false, barrier: 1 },
    ],
    [
      '{"ev":"ready","pid":1,"engine":"f","version":"1","loading":true}',
      { type: "ready", engine: "f", version: "1", isLoading: true, barrier: 0 },
    ],
    ['{"ev":"loaded"}', { type: "loaded", barrier: 0 }],
    ['{"ev":"adopted","id":"a","b":2}', { type: "adopted", id: "a", error: undefined, isStale: false, barrier: 2 }],
    [
      '{"ev":"adopted","id":"a","error":"gone"}',
      { type: "adopted", id: "a", error: "gone", isStale: false, barrier: 0 },
    ],
    [
      '{"ev":"start","id":"r","count":7,"b":3}',
      { type: "cell", id: "r", event: { type: "start", count: 7 }, barrier: 3 },
    ],
    [
      '{"ev":"result","id":"r","main":true,"data":{"text/plain":"1","application/json":{"a":[null]}},"b":4}',
      {
        type: "cell",
        id: "r",
        event: { type: "result", isMain: true, data: { "text/plain": "1", "application/json": { a: [null] } } },
        barrier: 4,
      },
    ],
    [
      '{"ev":"error","id":"r","name":"E","value":"v","traceback":"a\\nb","b":5}',
      { type: "cell", id: "r", event: { type: "error", name: "E", value: "v", traceback: "a\nb" }, barrier: 5 },
    ],
    ['{"ev":"end","id":"r","status":"interrupted","b":6}', { type: "end", id: "r", status: "interrupted", barrier: 6 }],
    ['{"ev":"end","id":"r","status":"error"}', { type: "end", id: "r", status: "error", barrier: 0 }],
    [
      '{"ev":"adopted","id":"a","stale":true}',
      { type: "adopted", id: "a", error: undefined, isStale: true, barrier: 0 },
    ],
    ['{"ev":"forked","id":"3","pid":77}', { type: "forked", id: "3", shimPid: 77, barrier: 0 }],
    ['{"ev":"refused","id":"3","why":"old"}', { type: "refused", id: "3", why: "old", barrier: 0 }],
    ['{"ev":"end","id":"r"}', { type: "end", id: "r", status: "ok", barrier: 0 }],
  ])("%s", (line, message) => {
    expect(parseMessage(line)).toEqual(message);
  });

  test.each([
    "",
    "no json",
    "null",
    "7",
    '"text"',
    "[]",
    "{}",
    '{"ev":"telemetry","id":"r"}',
    '{"ev":7}',
    '{"ev":"end","id":"r"',
    '{"ev":"__proto__"}',
  ])("%j is none of ours and passed over", (line) => {
    expect(parseMessage(line)).toBeUndefined();
  });

  test("with members of the wrong kind are taken as far as they go, and never throw", () => {
    expect(parseMessage('{"ev":"error","id":1,"name":null,"b":"x"}')).toEqual({
      type: "cell",
      id: "",
      event: { type: "error", name: "", value: "", traceback: "" },
      barrier: 0,
    });
    expect(parseMessage('{"ev":"result","id":"r","main":1,"data":null}')).toMatchObject({
      event: { isMain: false, data: {} },
    });
  });
});
