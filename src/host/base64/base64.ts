import { errnoText } from "../../errors.ts";
import { type Base64, bytesOf, digitsOf, portableBase64 } from "../../lib/base64.ts";
import type { Logger } from "../../log.ts";
import { bindFrom } from "../libc-binding.ts";

/** The fastest base64 on this machine: the library that the build has made, or else Node's strings. */
export function loadBase64(libraryPath: string, log: Logger): Base64 {
  try {
    return libraryBase64(libraryPath);
  } catch (error) {
    log.warn("base64.portable", { error: errnoText(error) });
    return portableBase64;
  }
}

function libraryBase64(libraryPath: string): Base64 {
  const encode = bindFrom<(bytes: Buffer, length: number, text: Buffer) => void>(
    libraryPath,
    "void guestd_encode_base64(const void *bytes, size_t length, void *text)",
  );
  const decode = bindFrom<(text: Buffer, length: number) => number>(
    libraryPath,
    "int guestd_decode_base64(void *text, size_t length)",
  );
  return {
    write(bytes, target, at) {
      const length = Math.ceil(bytes.length / 3) * 4;
      if (at + length > target.length) throw new RangeError(`no room for ${length} characters at ${at}`);
      if (length > 0) encode(bytes, bytes.length, target.subarray(at));
      return length;
    },
    read(text) {
      const digits = digitsOf(text);
      const length = bytesOf(digits);
      if (length === undefined || (length > 0 && decode(text, digits) !== 1)) return undefined;
      return text.subarray(0, length);
    },
  };
}
