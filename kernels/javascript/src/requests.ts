import { Socket } from "node:net";

export interface Request {
  op: string;
  id: string;
  text: string;
  /** Undefined takes a variable away. */
  variables: ReadonlyMap<string, string | undefined>;
}

const LINE_FEED = 10;

/** Calls `onRequest` with each request that arrives on `descriptor`, and `onEnd` when no more can come. */
export function readRequests(descriptor: number, onRequest: (request: Request) => void, onEnd: () => void): void {
  const socket = new Socket({ fd: descriptor, readable: true, writable: false });
  let chunks: Buffer[] = [];
  let size = 0;
  let wanted = 1;
  socket.on("data", (chunk: Buffer) => {
    chunks.push(chunk);
    size += chunk.byteLength;
    if (size < wanted) return; // a large cell is put together once, not with every piece
    let rest = Buffer.concat(chunks);
    for (;;) {
      const frame = readFrame(rest);
      if (typeof frame === "number") {
        [chunks, size, wanted] = [[rest], rest.byteLength, frame];
        return;
      }
      rest = rest.subarray(frame.length);
      onRequest(frame.request);
    }
  });
  socket.on("end", onEnd);
  socket.on("error", onEnd);
}

/** The first request in `bytes`, or how many bytes it takes at least. */
function readFrame(bytes: Buffer): { request: Request; length: number } | number {
  const lineEnd = bytes.indexOf(LINE_FEED);
  if (lineEnd < 0) return bytes.byteLength + 1;
  const [op = "", id = "", first = "0", second = "0"] = bytes.toString("latin1", 0, lineEnd).split(" ");
  const middle = lineEnd + 1 + Number(first);
  const length = middle + Number(second);
  if (bytes.byteLength < length) return length;
  const text = bytes.toString("utf8", lineEnd + 1, middle);
  return { request: { op, id, text, variables: unpack(bytes.toString("utf8", middle, length)) }, length };
}

function unpack(packed: string): Map<string, string | undefined> {
  const variables = new Map<string, string | undefined>();
  for (const item of packed.split("\0").slice(0, -1)) {
    const at = item.indexOf("=");
    if (at < 0) variables.set(item, undefined);
    else variables.set(item.slice(0, at), item.slice(at + 1));
  }
  return variables;
}
