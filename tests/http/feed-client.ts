import { expect } from "vitest";
import type { WatchEvent } from "../../src/contracts/watch.ts";

/** An open `/v1/watch`. */
export interface Feed extends Disposable {
  response: Response;
  /** The next event. @throws when the feed has ended */
  next(): Promise<WatchEvent>;
  /** Events up to the first that `isLast`. */
  until(isLast: (event: WatchEvent) => boolean): Promise<WatchEvent[]>;
}

/** Follows a feed; of server-sent events the data, checked against the id. */
export async function followFeed(url: string, headers: Record<string, string> = {}): Promise<Feed> {
  const controller = new AbortController();
  const response = await fetch(url, { headers, signal: controller.signal });
  const isSse = response.headers.get("content-type") === "text/event-stream";
  const events = readEvents(response.body as ReadableStream<Uint8Array>, isSse);
  const next = async (): Promise<WatchEvent> => {
    const { value, done } = await events.next();
    if (done) throw new Error("the feed has ended");
    return value;
  };
  return {
    response,
    next,
    async until(isLast) {
      const seen: WatchEvent[] = [];
      do seen.push(await next());
      while (!isLast(seen.at(-1) as WatchEvent));
      return seen;
    },
    [Symbol.dispose]: () => controller.abort(),
  };
}

/** The events of a feed as they come. */
export async function* readEvents(body: AsyncIterable<Uint8Array>, isSse: boolean): AsyncGenerator<WatchEvent> {
  let pending = "";
  const decoder = new TextDecoder();
  for await (const chunk of body) {
    pending += decoder.decode(chunk, { stream: true });
    const blocks = pending.split(isSse ? "\n\n" : "\n");
    pending = blocks.pop() ?? "";
    for (const block of blocks) {
      if (!isSse) yield JSON.parse(block) as WatchEvent;
      else if (!block.startsWith(":")) yield readSse(block);
    }
  }
}

function readSse(block: string): WatchEvent {
  const fields = new Map(block.split("\n").map((line) => [line.split(": ", 1)[0], line.slice(line.indexOf(": ") + 2)]));
  const event = JSON.parse(fields.get("data") ?? "") as WatchEvent & { cursor?: string };
  expect([fields.get("event"), fields.get("id")]).toEqual([event.type, event.cursor]);
  return event;
}
