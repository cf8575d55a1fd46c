/** Writes `bytes` as base64 into `target` from `at` on, and returns how many characters that were. */
export type Base64Writer = (bytes: Buffer, target: Buffer, at: number) => number;

/**
 * The bytes of standard or URL-safe base64, padded or not, which may lie where the text was; undefined when anything else is in
 * it, and then it is as it was.
 */
export type Base64Reader = (text: Buffer) => Buffer | undefined;

export interface Base64 {
  write: Base64Writer;
  read: Base64Reader;
}

/** Divisible by three; the text of so much stays in the processor's cache between its two copies. */
const SLICE_BYTES = 12 * 1024;
const PADDING = 0x3d;

/** With nothing but Node: through strings. */
export const portableBase64: Base64 = { write: writeBase64, read: readBase64 };

function writeBase64(bytes: Buffer, target: Buffer, at: number): number {
  let end = at;
  for (let from = 0; from < bytes.length; from += SLICE_BYTES) {
    end += target.write(bytes.toString("base64", from, from + SLICE_BYTES), end, "latin1");
  }
  return end - at;
}

function readBase64(text: Buffer): Buffer | undefined {
  const length = bytesOf(digitsOf(text));
  if (length === undefined) return undefined;
  // Buffer skips over what is no base64, and has fewer bytes then.
  const bytes = Buffer.from(text.toString("latin1"), "base64");
  return bytes.length === length ? bytes : undefined;
}

/** How many characters of base64 are no padding. */
export function digitsOf(text: Buffer): number {
  const isPadding = (back: number): boolean => text[text.length - back] === PADDING;
  if (!isPadding(1)) return text.length;
  return isPadding(2) ? text.length - 2 : text.length - 1;
}

/** How many bytes so many characters stand for; undefined when no bytes have as many. */
export function bytesOf(digits: number): number | undefined {
  return digits % 4 === 1 ? undefined : Math.floor((digits * 3) / 4);
}
