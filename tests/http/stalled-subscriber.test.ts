import { once } from "node:events";
import { get, type IncomingMessage } from "node:http";
import { expect, test } from "vitest";
import { type ForkedDaemon, startForkedDaemon } from "../helpers/forked-daemon.ts";
import { envelope, JSON_STREAM, JSON_UNARY, send, shell, WireStream } from "../unit/edge/connect/wire-client.ts";

const BYTES = 1_000_000_000;
/** Several times what is kept of it. */
const WARM_UP_BYTES = 250_000_000;
const MIB = 1024 * 1024;
const CONNECT = "/process.Process/Connect";

/** A program that prints so much once it is told to. */
async function startPrinter(url: string, bytes: number): Promise<{ process: { pid: number }; id: string }> {
  const program = shell(`read go; head -c ${bytes} /dev/zero`, { stdin: true });
  const stream = await WireStream.open(url, "/process.Process/Start", program);
  const [first] = await stream.until(() => true);
  stream.destroy();
  const { runs } = (await (await fetch(`${url}/v1/runs?state=running`)).json()) as { runs: { id: string }[] };
  return { process: { pid: first?.start?.pid ?? 0 }, id: runs[0]?.id ?? "" };
}

/** Tells it to print, and counts what arrives. */
async function receiveAll(url: string, { process, id }: { process: { pid: number }; id: string }): Promise<number> {
  const request = get(`${url}/v1/runs/${id}/log?stream=stdout&follow=1`);
  const input = { process, input: { stdin: Buffer.from("\n").toString("base64") } };
  const body = Buffer.from(JSON.stringify(input));
  await send(url, { path: "/process.Process/SendInput", headers: JSON_UNARY, body });
  const [response] = (await once(request, "response")) as [IncomingMessage];
  let count = 0;
  response.on("data", (chunk: Buffer) => (count += chunk.length));
  await once(response, "end");
  return count;
}

/** Resident memory, the least of several readings: what is read between two of them is not what the daemon holds. */
async function residentBytes(daemon: ForkedDaemon): Promise<number> {
  let least = Infinity;
  for (let reading = 0; reading < 3; reading += 1) least = Math.min(least, (await daemon.memory()).rss);
  return least;
}

test("one that stops reading keeps another from nothing of a gigabyte, and costs the daemon no memory", async () => {
  await using daemon = await startForkedDaemon();
  const { url } = daemon;
  // The same without it first: what grows once (compiled code, pools of buffers) has grown then.
  for (let round = 0; round < 2; round += 1) {
    expect(await receiveAll(url, await startPrinter(url, WARM_UP_BYTES))).toBe(WARM_UP_BYTES);
  }
  const printer = await startPrinter(url, BYTES);
  const stalled = await WireStream.open(url, CONNECT, { process: printer.process });
  stalled.response.pause();
  const before = await residentBytes(daemon);
  expect(await receiveAll(url, printer)).toBe(BYTES);
  expect(((await residentBytes(daemon)) - before) / MIB).toBeLessThan(20);
  stalled.destroy();
  // Should it come back, it is told that it fell behind, and where it can go on.
  const body = envelope({ process: printer.process, resumeFrom: { stdout: "0" } });
  const late = await send(url, { path: CONNECT, headers: JSON_STREAM, body });
  expect(late.body.toString("latin1")).toContain("out_of_range");
}, 180_000);
