import { crc32 } from "node:zlib";

/*
 * V8 takes any code cache of its version and flags that was made of a source as long as the one it has, and runs what is in it
 * unseen. So the file begins with checksums of the bundle and of what follows.
 */

const SUM_BYTES = 4;
/** V8 would copy a cache that did not begin at a multiple of eight. */
const HEAD_BYTES = 2 * SUM_BYTES;

/** The file to keep `cache` in, which was made of `bundle`. */
export function sealCodeCache(cache: Buffer, bundle: Buffer): Buffer {
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUInt32LE(crc32(bundle));
  head.writeUInt32LE(crc32(cache), SUM_BYTES);
  return Buffer.concat([head, cache]);
}

/** The cache in `file`; undefined when it is not whole or of another bundle. */
export function openCodeCache(file: Buffer, bundle: Buffer): Buffer | undefined {
  if (file.length <= HEAD_BYTES) return undefined;
  const cache = file.subarray(HEAD_BYTES);
  const isOurs = file.readUInt32LE() === crc32(bundle) && file.readUInt32LE(SUM_BYTES) === crc32(cache);
  return isOurs ? cache : undefined;
}
