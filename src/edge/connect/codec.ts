import {
  create,
  type DescMessage,
  fromBinary,
  fromJsonString,
  type MessageInitShape,
  type MessageShape,
  toBinary,
  toJsonString,
} from "@bufbuild/protobuf";
import { SandboxError } from "../../errors.ts";
import { textOf } from "../text.ts";

export type Codec = "json" | "proto";

/** A request message. @throws SandboxError invalid_argument with the reference's leading words */
export function decodeMessage<D extends DescMessage>(schema: D, codec: Codec, bytes: Buffer): MessageShape<D> {
  if (codec === "json" && bytes.length === 0) throw unmarshalError("zero-length payload is not a valid JSON object");
  try {
    if (codec === "proto") return fromBinary(schema, bytes);
    return fromJsonString(schema, textOf(bytes, "the message"), { ignoreUnknownFields: true });
  } catch (error) {
    throw unmarshalError(error instanceof Error ? error.message : String(error), error);
  }
}

/** A response message. */
export function encodeMessage<D extends DescMessage>(
  schema: D,
  codec: Codec,
  message: MessageInitShape<D>,
  options: { writesDefaults?: boolean } = {},
): Buffer {
  const full = create(schema, message);
  if (codec === "json")
    return Buffer.from(toJsonString(schema, full, { alwaysEmitImplicit: options.writesDefaults ?? false }));
  const bytes = toBinary(schema, full);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export function unmarshalError(detail: string, cause?: unknown): SandboxError {
  return new SandboxError("invalid_argument", `unmarshal message: ${detail}`, { cause });
}
