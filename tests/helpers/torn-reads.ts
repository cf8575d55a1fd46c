import type { NativeFiles } from "./native-files.ts";

/** More than is read when a file is opened: most of it comes later, when the file may have been replaced. */
const SIZE_BYTES = 300_000;

export interface TornReads {
  reads: number;
  /** Answers that were no content that was ever written. */
  torn: number;
  rewrites: number;
}

/** Replaces one file over and over, each time all of one other letter, while `readers` read it `reads` times in all. */
export async function readersDuringRewrites(
  client: NativeFiles,
  path: string,
  { readers, reads }: { readers: number; reads: number },
): Promise<TornReads> {
  const result = { reads: 0, torn: 0, rewrites: 0 };
  const rewrite = async (): Promise<void> => {
    const letter = String.fromCharCode(97 + (result.rewrites % 26));
    const { status } = await client.put(path, Buffer.alloc(SIZE_BYTES - result.rewrites, letter));
    if (status > 201) throw new Error(`PUT answered ${status}`);
    result.rewrites += 1;
  };
  const read = async (): Promise<void> => {
    while (result.reads < reads) {
      result.reads += 1;
      const bytes = Buffer.from(await (await client.request("GET", path)).arrayBuffer());
      const expected = Buffer.alloc(bytes.length, bytes[0]);
      const edition = SIZE_BYTES - bytes.length;
      const isWhole = bytes.equals(expected) && bytes[0] === 97 + (edition % 26);
      if (!isWhole) result.torn += 1;
    }
  };
  const writeOn = async (): Promise<void> => {
    while (result.reads < reads) await rewrite();
  };
  await rewrite();
  await Promise.all([writeOn(), ...Array.from({ length: readers }, read)]);
  return result;
}
