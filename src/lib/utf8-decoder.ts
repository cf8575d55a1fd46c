import { isUtf8 } from "node:buffer";

/** A decoded piece of text; `isLossy` when bytes were no UTF-8 and became U+FFFD. */
export interface DecodedText {
  text: string;
  isLossy: boolean;
}

/** Decodes a stream of bytes piece by piece: a character that is cut in two appears with its last byte. */
export class Utf8Decoder {
  #held: Buffer = Buffer.alloc(0);

  /** Bytes of a character that is not complete yet. */
  get heldBytes(): number {
    return this.#held.length;
  }

  push(bytes: Buffer): DecodedText {
    const all = this.#held.length === 0 ? bytes : Buffer.concat([this.#held, bytes]);
    const complete = all.length - incompleteTail(all);
    this.#held = Buffer.from(all.subarray(complete));
    return decode(all.subarray(0, complete));
  }

  /** What is left at the end of the stream. */
  end(): DecodedText {
    const rest = this.#held;
    this.#held = Buffer.alloc(0);
    return decode(rest);
  }
}

function decode(bytes: Buffer): DecodedText {
  return { text: bytes.toString("utf8"), isLossy: !isUtf8(bytes) };
}

/** How many bytes at the end begin a character that is not complete. */
function incompleteTail(bytes: Buffer): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back += 1) {
    const byte = bytes[bytes.length - back] ?? 0;
    if ((byte & 0b1100_0000) === 0b1000_0000) continue;
    return characterLength(byte) > back ? back : 0;
  }
  return 0;
}

/** How long a character is that begins with `byte`; 1 for a byte that can begin none. */
function characterLength(byte: number): number {
  if (byte < 0xc2 || byte > 0xf4) return 1;
  return byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
}
