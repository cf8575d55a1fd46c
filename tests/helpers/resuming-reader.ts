import { createHash } from "node:crypto";
import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { envelope, type Frame, JSON_STREAM, takeFrames } from "../unit/edge/connect/wire-client.ts";
import type { Output, ProcessEvent } from "./process-calls.ts";

/** What was put together from all connections. */
export interface Received {
  sha256: string;
  bytes: number;
  connections: number;
  end: ProcessEvent["end"];
}

export interface ReadOptions {
  /** Where to begin. */
  offset: number;
  /** Called with the number of the next byte after each piece that came. */
  onProgress?: (position: number) => void;
}

/** Reads one output of a process through connections that break, each from the byte after the last that really came. */
export async function readProcess(
  url: string,
  process: { pid: number },
  output: Output,
  { offset, onProgress }: ReadOptions,
): Promise<Received> {
  const hash = createHash("sha256");
  let position = offset;
  let connections = 0;
  let end: ProcessEvent["end"];

  const take = (event: ProcessEvent): void => {
    if (event.end) end = event.end;
    const text = event.data?.[output];
    if (text === undefined) return;
    if (event.data?.offset !== String(position))
      throw new WrongStream(`a piece of ${output} is at ${event.data?.offset}, expected at ${position}`);
    const bytes = Buffer.from(text, "base64");
    hash.update(bytes);
    position += bytes.length;
    onProgress?.(position);
  };
  const readOnce = async (): Promise<boolean> => {
    const resumeFrom = { [output]: String(position) };
    const body = envelope({ process, resumeFrom });
    const response = await answerTo(`${url}/process.Process/Connect`, { headers: JSON_STREAM, body });
    for await (const { flags, json } of framesIn(response)) {
      if ((flags & 2) === 0) take(json["event"] as ProcessEvent);
      else if (json["error"] === undefined) return true;
      else throw new WrongStream(`the stream ended with ${JSON.stringify(json["error"])}`);
    }
    return false; // cut between two frames
  };

  for (let isOver = false; !isOver;) {
    connections += 1;
    isOver = await readOnce().catch(cutOff);
  }
  return { sha256: hash.digest("hex"), bytes: position - offset, connections, end };
}

/** Reads one stream of a run's log in the same way, over `GET /v1/runs/{id}/log`. */
export async function readLog(
  url: string,
  runId: string,
  stream: string,
  { offset, onProgress }: ReadOptions,
): Promise<Omit<Received, "end">> {
  const hash = createHash("sha256");
  let position = offset;
  let connections = 0;
  const readOnce = async (): Promise<boolean> => {
    const response = await answerTo(`${url}/v1/runs/${runId}/log?stream=${stream}&offset=${position}&follow=1`);
    for await (const chunk of response as AsyncIterable<Buffer>) {
      hash.update(chunk);
      position += chunk.length;
      onProgress?.(position);
    }
    return response.complete;
  };
  for (let isOver = false; !isOver;) {
    connections += 1;
    isOver = await readOnce().catch(cutOff);
  }
  return { sha256: hash.digest("hex"), bytes: position - offset, connections };
}

async function answerTo(
  url: string,
  post?: { headers: Record<string, string>; body: Buffer },
): Promise<IncomingMessage> {
  const outgoing = request(url, { method: post ? "POST" : "GET", agent: false, headers: post?.headers ?? {} });
  outgoing.end(post?.body);
  const [response] = (await once(outgoing, "response")) as [IncomingMessage];
  outgoing.on("error", () => undefined); // whoever reads the response hears of it
  if (response.statusCode !== 200) throw new WrongStream(`${url} answered ${response.statusCode}`);
  return response;
}

/** The frames that came whole; the iteration fails where the connection broke. */
async function* framesIn(response: IncomingMessage): AsyncGenerator<Frame> {
  let held: Buffer = Buffer.alloc(0);
  for await (const chunk of response as AsyncIterable<Buffer>) {
    const { frames, rest } = takeFrames(Buffer.concat([held, chunk]));
    held = rest;
    yield* frames;
  }
}

/** What came is wrong: nothing that another connection would mend. */
class WrongStream extends Error {}

/** A connection that broke is what this is about; anything else is not. */
function cutOff(error: unknown): false {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (["ECONNRESET", "EPIPE", "ECONNABORTED"].includes(code)) return false;
  throw error;
}
