import type { NativeFiles } from "./native-files.ts";

/** More than is read when a file is opened: most of it comes later, when the file may have been replaced. */
const SIZE_BYTES = 300_000;

export interface TornReads {
  reads: number;
  /** Answers that were no content that was ever written. */
  torn: number;
  rewrites: number;
}

/** Writers replace one file over and over, each time all of one other letter, while readers read it `reads` times in all. */
export async function readersDuringRewrites(
  client: NativeFiles,
  path: string,
  { readers, writers, reads }: { readers: number; writers: number; reads: number },
): Promise<TornReads> {
  const result = { reads: 0, torn: 0, rewrites: 0 };
  let editions = 0;
  const rewrite = async (): Promise<void> => {
    const edition = editions;
    editions += 1;
    const { status } = await client.put(path, Buffer.alloc(SIZE_BYTES - edition, letterOf(edition)));
    if (status > 201) throw new Error(`PUT answered ${status}`);
    result.rewrites += 1;
  };
  const read = async (): Promise<void> => {
    while (result.reads < reads) {
      result.reads += 1;
      const bytes = Buffer.from(await (await client.request("GET", path)).arrayBuffer());
      if (!bytes.equals(Buffer.alloc(bytes.length, letterOf(SIZE_BYTES - bytes.length)))) result.torn += 1;
    }
  };
  const writeOn = async (): Promise<void> => {
    while (result.reads < reads) await rewrite();
  };
  await rewrite();
  await Promise.all([...Array.from({ length: writers }, writeOn), ...Array.from({ length: readers }, read)]);
  return result;
}

/** What an edition is full of; its length tells which it is. */
function letterOf(edition: number): string {
  return String.fromCharCode(97 + (edition % 26));
}
