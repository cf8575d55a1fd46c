import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTestDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { startRun } from "../helpers/native-runs.ts";

/** Says nothing until it has a line. */
const SILENT = { shell: "read line; echo $line", stdin: true };
const FORMATS = [
  ["application/x-ndjson", '{"type":"keepalive"}\n'],
  ["text/event-stream", ": keepalive\n\n"],
] as const;

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startTestDaemon();
});
afterAll(async () => daemon[Symbol.asyncDispose]());

/** Reads an answer to its end, and gives its run a line as soon as it has said `keepalive`. */
async function endAfter(keepalive: string, response: Response): Promise<string> {
  const run = String(response.headers.get("guestd-run-id"));
  let text = "";
  let isFed = false;
  for await (const chunk of response.body ?? []) {
    text += Buffer.from(chunk as Uint8Array).toString();
    if (isFed || !text.includes(keepalive)) continue;
    isFed = true;
    await daemon.fetch(`/v1/runs/${run}/stdin?close=1`, { method: "POST", body: "over\n" });
  }
  return text;
}

describe("a silence is broken by keepalives, which are nobody's output", { concurrent: true }, () => {
  test.each(FORMATS)("when a log is followed as %s", async (accept, keepalive) => {
    const { id } = await startRun(daemon.url, SILENT);
    const response = await daemon.fetch(`/v1/runs/${id}/log?follow=1`, { headers: { Accept: accept } });
    const text = await endAfter(keepalive, response);
    expect(text.replaceAll(keepalive, "")).toMatch(/"start"[^]*"text":"over\\n"[^]*"end"/);
  });

  test.each(FORMATS)("when a run is answered as %s", async (accept, keepalive) => {
    const headers = { Accept: accept, "Content-Type": "application/json" };
    const response = await daemon.fetch("/v1/run", { method: "POST", headers, body: JSON.stringify(SILENT) });
    const text = await endAfter(keepalive, response);
    expect(text.replaceAll(keepalive, "")).toMatch(/"start"[^]*"text":"over\\n"[^]*"end"/);
  });
});
