const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** What may stand for itself in an extended value. */
const PLAIN = /[!#$&+\-.^_`|~0-9A-Za-z]/;

/** `inline; filename=…` for any name: bare if it is a token, quoted if it is printable ASCII, else encoded as RFC 2231 says. */
export function inlineDisposition(name: string): string {
  if (TOKEN.test(name)) return `inline; filename=${name}`;
  if (/^[\t\x20-\x7e]*$/.test(name)) return `inline; filename="${name.replaceAll(/["\\]/g, String.raw`\$&`)}"`;
  const encoded = Array.from(Buffer.from(name), (byte) => {
    const character = String.fromCharCode(byte);
    return byte < 0x80 && PLAIN.test(character) ? character : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  });
  return `inline; filename*=utf-8''${encoded.join("")}`;
}
