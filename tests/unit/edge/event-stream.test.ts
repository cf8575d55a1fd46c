import { Hono } from "hono";
import { describe, expect, test } from "vitest";
import { encodeEvent, KEEPALIVES, streamHeaders, wantedFormat } from "../../../src/edge/event-stream.ts";
import type { EdgeEnv } from "../../../src/edge/request-context.ts";

async function formatFor(accept: string | undefined): Promise<string> {
  const app = new Hono<EdgeEnv>().get("/", (c) => c.text(wantedFormat(c)));
  const response = await app.request("/", { headers: accept === undefined ? {} : { Accept: accept } });
  return response.text();
}

describe("the form of a stream", () => {
  test.each([
    [undefined, "raw"],
    ["*/*", "raw"],
    ["text/plain", "raw"],
    ["text/event-stream", "sse"],
    ["Text/Event-Stream; charset=utf-8", "sse"],
    ["application/x-ndjson", "ndjson"],
    ["application/jsonl", "ndjson"],
    ["application/json", "json"],
    ["application/x-ndjson, application/json", "ndjson"],
  ])("for Accept %j is %s", async (accept, format) => {
    expect(await formatFor(accept)).toBe(format);
  });

  test("has headers that keep others from holding it up or changing it", () => {
    expect(streamHeaders("sse")).toEqual({
      "Content-Type": "text/event-stream",
      "Cache-Control": "no-store, no-transform",
      "X-Accel-Buffering": "no",
    });
    expect(streamHeaders("ndjson")["Content-Type"]).toBe("application/x-ndjson");
    expect(streamHeaders("raw")["Content-Type"]).toMatch(/^text\/plain/);
  });
});

describe("an event", () => {
  const event = { type: "output", text: 'line\nbreak\r\n"quoted" é\u2028' };

  test("is one line of JSON", () => {
    const line = encodeEvent("ndjson", event).toString();
    expect(line.match(/\n/g)).toHaveLength(1);
    expect(JSON.parse(line)).toEqual(event);
  });

  test("is a server-sent event of three fields, whatever is in it", () => {
    const lines = encodeEvent("sse", event, 42)
      .toString()
      .split(/\r\n|\r|\n/);
    expect(lines).toHaveLength(5);
    expect(lines.slice(0, 2)).toEqual(["id: 42", "event: output"]);
    expect(JSON.parse(lines[2]?.replace(/^data: /, "") ?? "")).toEqual(event);
    expect(lines.slice(3)).toEqual(["", ""]);
  });

  test("may have the id 0, or none", () => {
    expect(encodeEvent("sse", event, 0).toString()).toMatch(/^id: 0\n/);
    expect(encodeEvent("sse", event).toString()).toMatch(/^event: /);
  });

  test("that is a comment is nothing to readers", () => {
    expect(KEEPALIVES.sse.toString()).toMatch(/^:.*\n\n$/);
  });
});
