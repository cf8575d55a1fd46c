import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { SandboxError } from "../../errors.ts";
import { connectErrorBody } from "../errors.ts";

/** Largest message a client may send, after decompression. */
export const MAX_MESSAGE_BYTES = 64 * 1024 * 1024;

export const PREFIX_BYTES = 5;
export const FLAG_COMPRESSED = 0b01;
export const FLAG_END_STREAM = 0b10;

const inflate = promisify(gunzip);

/** A message with its five-byte prefix. */
export function frame(flags: number, message: Uint8Array): Buffer {
  const envelope = Buffer.allocUnsafe(PREFIX_BYTES + message.length);
  envelope[0] = flags;
  envelope.writeUInt32BE(message.length, 1);
  envelope.set(message, PREFIX_BYTES);
  return envelope;
}

/** The last frame of every stream; without it clients take the stream for cut off. */
export function endStreamFrame(error?: SandboxError): Buffer {
  return frame(FLAG_END_STREAM, Buffer.from(JSON.stringify(error ? { error: connectErrorBody(error) } : {})));
}

/**
 * The messages of a streamed request body, decompressed.
 * @throws SandboxError invalid_argument for a body that ends inside a message, resource_exhausted for one too large
 */
export async function* readEnvelopes(
  body: AsyncIterable<Uint8Array>,
  options: { isGzip: boolean },
): AsyncGenerator<Buffer> {
  let held: Buffer[] = [];
  let heldBytes = 0;
  let wanted = PREFIX_BYTES;
  for await (const chunk of body) {
    held.push(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength));
    heldBytes += chunk.length;
    while (heldBytes >= wanted) {
      const bytes = held.length === 1 && held[0] ? held[0] : Buffer.concat(held, heldBytes);
      const size = PREFIX_BYTES + payloadSize(bytes);
      held = [bytes];
      wanted = size;
      if (heldBytes < size) break;
      held = [bytes.subarray(size)];
      heldBytes -= size;
      wanted = PREFIX_BYTES;
      yield await payload(bytes.subarray(0, size), options.isGzip);
    }
  }
  if (heldBytes > 0)
    throw new SandboxError("invalid_argument", `protocol error: incomplete envelope: ${heldBytes} bytes at the end`);
}

function payloadSize(envelope: Buffer): number {
  const size = envelope.readUInt32BE(1);
  if (size > MAX_MESSAGE_BYTES) throw tooLarge(size);
  return size;
}

async function payload(envelope: Buffer, isGzip: boolean): Promise<Buffer> {
  const flags = envelope[0] ?? 0;
  const bytes = envelope.subarray(PREFIX_BYTES);
  if ((flags & ~(FLAG_COMPRESSED | FLAG_END_STREAM)) !== 0 || (flags & FLAG_END_STREAM) !== 0) {
    throw new SandboxError("invalid_argument", `protocol error: invalid envelope flags ${flags}`);
  }
  if ((flags & FLAG_COMPRESSED) === 0) return bytes;
  if (!isGzip)
    throw new SandboxError("invalid_argument", "protocol error: sent compressed message without compression support");
  return decompress(bytes);
}

/** Inflates gzip up to the message limit. @throws SandboxError invalid_argument, resource_exhausted */
export async function decompress(bytes: Uint8Array): Promise<Buffer> {
  if (bytes.length === 0) return Buffer.alloc(0);
  try {
    return await inflate(bytes, { maxOutputLength: MAX_MESSAGE_BYTES });
  } catch (error) {
    if (error instanceof RangeError) throw tooLarge(undefined, error);
    throw new SandboxError("invalid_argument", "decompress message: not valid gzip", { cause: error });
  }
}

export function tooLarge(size: number | undefined, cause?: unknown): SandboxError {
  const what = size === undefined ? "message" : `message of ${size} bytes`;
  return new SandboxError("resource_exhausted", `${what} is larger than the limit of ${MAX_MESSAGE_BYTES} bytes`, {
    reason: "body_too_large",
    cause,
  });
}
