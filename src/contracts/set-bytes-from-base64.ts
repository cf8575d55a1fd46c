const PLAIN = /^[A-Za-z0-9+/]*={0,2}$/;
const GROUP = 4;

/**
 * What protobuf uses of the standard's `Uint8Array.prototype.setFromBase64`, which Node 24 has not: in the bundle it stands in its place. Without it
 * the descriptors are decoded letter by letter, V8 optimizes that, and 5 MB of its compiler stay in the memory of an idle daemon.
 * @throws SyntaxError for all but plain base64, which protobuf then reads itself
 */
export const setBytesFromBase64 = function (this: Uint8Array, text: string): { read: number; written: number } {
  const rest = text.length % GROUP;
  // Padding may be left out, as protobuf's compiler does.
  if (!PLAIN.test(text) || (text.endsWith("=") ? rest !== 0 : rest === 1))
    throw new SyntaxError("this is no plain base64");
  const written = Buffer.from(this.buffer, this.byteOffset, this.length).write(text, "base64");
  return { read: text.length, written };
};
