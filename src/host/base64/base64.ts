import { errnoText } from "../../errors.ts";
import { type Base64Writer, writeBase64 } from "../../lib/base64.ts";
import type { Logger } from "../../log.ts";
import { bindFrom } from "../libc-binding.ts";

/** The fastest way to write base64 on this machine: the library that the build has made, or else Node's strings. */
export function base64Writer(libraryPath: string, log: Logger): Base64Writer {
  try {
    const encode = bindFrom<(bytes: Buffer, length: number, text: Buffer) => void>(
      libraryPath,
      "void guestd_encode_base64(const void *bytes, size_t length, void *text)",
    );
    return (bytes, target, at) => {
      const length = Math.ceil(bytes.length / 3) * 4;
      if (at + length > target.length) throw new RangeError(`no room for ${length} characters at ${at}`);
      if (length > 0) encode(bytes, bytes.length, target.subarray(at));
      return length;
    };
  } catch (error) {
    log.warn("base64.portable", { error: errnoText(error) });
    return writeBase64;
  }
}
