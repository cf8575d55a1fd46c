import { randomBytes } from "node:crypto";
import type { ByteRange } from "./byte-range.ts";

/** What is sent, one after the other: bytes as they are, or a range of the content. */
export type BodyPiece = Buffer | ByteRange;

/** Several parts of some content in one body: `multipart/byteranges` (RFC 9110 §14.6). */
export function byteranges(
  ranges: readonly ByteRange[],
  content: { type: string; sizeBytes: number },
): { type: string; pieces: BodyPiece[]; lengthBytes: number } {
  const boundary = `guestd-${randomBytes(16).toString("hex")}`;
  const pieces = ranges.flatMap((range, index): BodyPiece[] => {
    const lines = [
      `${index === 0 ? "" : "\r\n"}--${boundary}`,
      `Content-Type: ${content.type}`,
      `Content-Range: ${contentRange(range, content.sizeBytes)}`,
      "\r\n",
    ];
    return [Buffer.from(lines.join("\r\n")), range];
  });
  pieces.push(Buffer.from(`\r\n--${boundary}--\r\n`));
  const lengthBytes = pieces.reduce((sum, piece) => sum + pieceBytes(piece), 0);
  return { type: `multipart/byteranges; boundary=${boundary}`, pieces, lengthBytes };
}

/** Value of `Content-Range`. */
export function contentRange({ start, end }: ByteRange, sizeBytes: number): string {
  return `bytes ${start}-${end - 1}/${sizeBytes}`;
}

function pieceBytes(piece: BodyPiece): number {
  return Buffer.isBuffer(piece) ? piece.length : piece.end - piece.start;
}
