import type { IncomingMessage } from "node:http";
import { SandboxError } from "../errors.ts";
import { releaseMemory } from "../lib/release-memory.ts";

/**
 * The whole request body. What came in several pieces is put together in memory that `takeMemory` gives.
 * @throws SandboxError resource_exhausted over `maxBytes`, canceled when the client breaks off
 */
export async function readBody(
  incoming: IncomingMessage,
  maxBytes: number,
  takeMemory: (bytes: number) => Buffer = (bytes) => Buffer.allocUnsafe(bytes),
): Promise<Buffer> {
  const declared = Number(incoming.headers["content-length"] ?? 0);
  if (declared > maxBytes) throw bodyTooLarge(maxBytes);
  const { chunks, size } = await collect(incoming, maxBytes);
  if (chunks.length === 1 && chunks[0]) return chunks[0];
  const body = takeMemory(size);
  let at = 0;
  for (const chunk of chunks) {
    at += chunk.copy(body, at);
    releaseMemory(chunk);
  }
  return body;
}

/** The pieces of a body. With listeners, not an iterator: most bodies are one small piece, and an iterator costs more than that takes. */
async function collect(incoming: IncomingMessage, maxBytes: number): Promise<{ chunks: Buffer[]; size: number }> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const chunks: Buffer[] = [];
  let size = 0;
  const fail = (cause?: Error): void => {
    if (!incoming.readableEnded) reject(brokeOff(cause));
  };
  incoming
    .on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size <= maxBytes) return void chunks.push(chunk);
      // The rest is read all the same, and thrown away, as below.
      chunks.length = 0;
      reject(bodyTooLarge(maxBytes));
    })
    .on("end", resolve)
    .on("error", fail)
    .on("close", () => fail());
  if (incoming.readableEnded) resolve();
  else if (incoming.destroyed) fail();
  await promise;
  return { chunks, size };
}

/**
 * The request body as it comes. What a reader leaves of it is read and thrown away: a body that stays in the socket keeps
 * the connection's next request, and its end, from being seen.
 * @throws SandboxError canceled when the client breaks off
 */
export async function* bodyChunks(incoming: IncomingMessage): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of incoming.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) yield chunk;
  } catch (error) {
    throw brokeOff(error);
  } finally {
    incoming.resume();
  }
}

function brokeOff(cause: unknown): SandboxError {
  return new SandboxError("canceled", "the request body broke off", { cause });
}

function bodyTooLarge(maxBytes: number): SandboxError {
  return new SandboxError("resource_exhausted", `the request body is larger than the limit of ${maxBytes} bytes`, {
    reason: "body_too_large",
  });
}
