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
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of bodyChunks(incoming)) {
    size += chunk.length;
    if (size > maxBytes) throw bodyTooLarge(maxBytes);
    chunks.push(chunk);
  }
  if (chunks.length === 1 && chunks[0]) return chunks[0];
  const body = takeMemory(size);
  let at = 0;
  for (const chunk of chunks) {
    at += chunk.copy(body, at);
    releaseMemory(chunk);
  }
  return body;
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
    throw new SandboxError("canceled", "the request body broke off", { cause: error });
  } finally {
    incoming.resume();
  }
}

function bodyTooLarge(maxBytes: number): SandboxError {
  return new SandboxError("resource_exhausted", `the request body is larger than the limit of ${maxBytes} bytes`, {
    reason: "body_too_large",
  });
}
