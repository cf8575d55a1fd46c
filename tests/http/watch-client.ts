import { frame } from "../../src/edge/connect/envelope.ts";

/** A message of a WatchDir stream in JSON. */
export interface WatchMessage {
  start?: object;
  keepalive?: object;
  rescan?: object;
  filesystem?: { name: string; type: string; entry?: { name: string; path: string; size?: string } };
  error?: { code: string; message: string };
}

/** An open WatchDir stream. */
export interface WatchStream extends Disposable {
  headers: Headers;
  /** The next message, the one that ends the stream included; undefined after it. */
  next(): Promise<WatchMessage | undefined>;
  /** Names and types up to the first that `isLast`. */
  until(isLast: (text: string) => boolean): Promise<string[]>;
}

/** One unary RPC of the Filesystem service in JSON. */
export async function callRpc(
  url: string,
  method: string,
  message: object,
  headers: Record<string, string> = {},
): Promise<{ status: number; body: Record<string, unknown>; headers: Headers }> {
  const response = await fetch(`${url}/filesystem.Filesystem/${method}`, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...headers },
    body: JSON.stringify(message),
  });
  return {
    status: response.status,
    body: (await response.json()) as Record<string, unknown>,
    headers: response.headers,
  };
}

/** `CREATE name` of each event of a GetWatcherEvents. */
export async function pollEvents(url: string, watcherId: unknown, headers?: Record<string, string>): Promise<string[]> {
  const { body } = await callRpc(url, "GetWatcherEvents", { watcherId }, headers);
  const events = (body["events"] ?? []) as { name: string; type: string }[];
  return events.map(eventText);
}

/** `CREATE name` */
export function eventText({ name, type }: { name: string; type: string }): string {
  return `${type.replace("EVENT_TYPE_", "")} ${name}`;
}

/** What a client sends to begin a WatchDir stream. */
export function watchRequest(message: object): {
  path: string;
  headers: Record<string, string>;
  body: Uint8Array<ArrayBuffer>;
} {
  return {
    path: "/filesystem.Filesystem/WatchDir",
    headers: { "Content-Type": "application/connect+json" },
    body: new Uint8Array(frame(0, Buffer.from(JSON.stringify(message)))),
  };
}

export async function watchDir(
  url: string,
  message: object,
  headers: Record<string, string> = {},
): Promise<WatchStream> {
  const controller = new AbortController();
  const wanted = watchRequest(message);
  const response = await fetch(url + wanted.path, {
    method: "POST",
    headers: { ...wanted.headers, ...headers },
    body: wanted.body,
    signal: controller.signal,
  });
  const messages = readMessages(response.body as ReadableStream<Uint8Array>);
  const next = async (): Promise<WatchMessage | undefined> => {
    const { value, done } = await messages.next();
    return done ? undefined : value;
  };
  return {
    headers: response.headers,
    next,
    async until(isLast) {
      const texts: string[] = [];
      for (let got = await next(); got; got = await next()) {
        if (got.filesystem) texts.push(eventText(got.filesystem));
        if (got.rescan) texts.push("rescan");
        if (texts.length > 0 && isLast(texts.at(-1) ?? "")) break;
      }
      return texts;
    },
    [Symbol.dispose]: () => controller.abort(),
  };
}

/** The messages of a WatchDir stream as they come. */
export async function* readMessages(body: AsyncIterable<Uint8Array>): AsyncGenerator<WatchMessage> {
  let pending = Buffer.alloc(0);
  for await (const chunk of body) {
    pending = Buffer.concat([pending, chunk]);
    while (pending.length >= 5 && pending.length >= 5 + pending.readUInt32BE(1)) {
      const end = 5 + pending.readUInt32BE(1);
      yield JSON.parse(pending.toString("utf8", 5, end)) as WatchMessage;
      pending = pending.subarray(end);
    }
  }
}
