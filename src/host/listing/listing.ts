import { constants } from "node:os";
import { join } from "node:path";
import type { DirectoryEntry, FileStats, ListedEntry } from "../file-access.ts";
import { bindFrom, type LibraryCall, libraryCall, type PoolCall } from "../libc-binding.ts";
import { cPath, type FilePath } from "../libc-files.ts";
import { PACKAGE_ROOT } from "../package-root.ts";

/* Directories with the details of what is in them, read by listing.c. */

const { ENOENT } = constants.errno;
/** Some 250 entries: what is made of them keeps others waiting for about a millisecond. */
const SLICE_BYTES = 32 * 1024;
/** Of `struct details` in listing.c: words of 64 bits, then four of 32. */
const DETAILS_BYTES = 104;
const NUMBERS_OFFSET = 88;
/** In the order of `enum type`. */
const TYPES: readonly DirectoryEntry["type"][] = ["other", "file", "directory"];

const library = join(PACKAGE_ROOT, "dist", "guestd-listing.so");
const native = {
  open: bindFrom<PoolCall<[Buffer]>>(library, "int64_t guestd_open_listing(const void *path)"),
  read: bindFrom<PoolCall<[number, string, Buffer, number]>>(
    library,
    "int64_t guestd_read_listing(int64_t listing, const char *prefix, void *into, size_t size)",
  ),
  close: bindFrom<PoolCall<[number]>>(library, "int guestd_close_listing(int64_t listing)"),
};

/** Reads the names in a directory; what it results in is for the next two, and closed by whoever opened it. */
export function openListing(path: FilePath): LibraryCall<number> {
  return libraryCall("scandir", native.open, [cPath(path)], (listing) => listing);
}

/** Details of the next entries, for {@link listedEntries}; empty at the end. One such call at a time for each listing. */
export function readListing(listing: number, attributePrefix: string): LibraryCall<Buffer> {
  const into = Buffer.allocUnsafeSlow(SLICE_BYTES);
  const args: [number, string, Buffer, number] = [listing, attributePrefix, into, into.length];
  return libraryCall("scandir", native.read, args, (length) => into.subarray(0, length));
}

/** Ends a listing. Nobody may be reading it. */
export function closeListing(listing: number): LibraryCall<void> {
  return libraryCall("closedir", native.close, [listing]);
}

/** The calls above, made wherever the rights are that they need. */
export interface ListingCalls {
  open(path: FilePath): Promise<number>;
  read(listing: number, attributePrefix: string): Promise<Uint8Array>;
  close(listing: number): Promise<void>;
}

/** All entries, some hundred at a time; the next ones are looked up while the caller has those before. @throws the system error of opening `path` */
export async function* listDirectory(
  calls: ListingCalls,
  path: FilePath,
  attributePrefix: string,
): AsyncGenerator<ListedEntry[]> {
  const listing = await calls.open(path);
  let next = calls.read(listing, attributePrefix);
  try {
    for (let bytes = await next; bytes.length > 0; bytes = await next) {
      next = calls.read(listing, attributePrefix);
      yield listedEntries(bytes);
    }
  } finally {
    // Another thread may be at it until then.
    await next.catch(() => undefined);
    await calls.close(listing);
  }
}

/** What listing.c has written. Entries that were gone by then are left out. */
function listedEntries({ buffer, byteOffset, length }: Uint8Array): ListedEntry[] {
  const bytes = Buffer.from(buffer, byteOffset, length);
  const words = new BigUint64Array(buffer, byteOffset, length / 8);
  const times = new BigInt64Array(buffer, byteOffset, length / 8);
  const numbers = new Int32Array(buffer, byteOffset, length / 4);
  const entries: ListedEntry[] = [];
  for (let at = 0; at < length;) {
    const number = (at + NUMBERS_OFFSET) / 4;
    const [nameLength, error] = [numbers[number] ?? 0, numbers[number + 1]];
    const nameAt = at + DETAILS_BYTES;
    if (error !== ENOENT) {
      entries.push({
        name: bytes.subarray(nameAt, nameAt + nameLength),
        type: TYPES[numbers[number + 2] ?? 0] ?? "other",
        stats: error === 0 ? statsAt(words, times, at / 8) : undefined,
        hasAttributes: numbers[number + 3] === 1,
      });
    }
    at = Math.ceil((nameAt + nameLength) / 8) * 8;
  }
  return entries;
}

/** The words of `struct details` that begin at `at`. */
function statsAt(words: BigUint64Array, times: BigInt64Array, at: number): FileStats {
  return {
    dev: words[at] ?? 0n,
    ino: words[at + 1] ?? 0n,
    mode: words[at + 2] ?? 0n,
    nlink: words[at + 3] ?? 0n,
    uid: words[at + 4] ?? 0n,
    gid: words[at + 5] ?? 0n,
    size: words[at + 6] ?? 0n,
    blocks: words[at + 7] ?? 0n,
    atimeNs: times[at + 8] ?? 0n,
    mtimeNs: times[at + 9] ?? 0n,
    ctimeNs: times[at + 10] ?? 0n,
  };
}
