import { SandboxError } from "../errors.ts";
import type { FileDescriptor, FileStats } from "../host/file-access.ts";
import { type Digest, DigestCheck } from "../lib/digest.ts";
import { fillSpool } from "./content.ts";
import { checkDigests } from "./digests.ts";
import type { FileLocks } from "./file-locks.ts";
import type { Spool } from "./spool.ts";
import { writeFully } from "./write-fully.ts";

/** Written at once; others may write in between. */
const BATCH_BYTES = 512 * 1024;
const READ_BYTES = 1024 * 1024;

/** Bytes `start` to `end` (not included) of an open file that are to be written. */
export interface Part {
  file: FileDescriptor;
  /** As it was when it was opened. */
  stats: FileStats;
  start: number;
  end: number;
  /** How long the file is to be once it has all its parts; undefined while nobody knows. */
  totalBytes: number | undefined;
  locks: FileLocks;
}

/**
 * Writes a part as it comes: what has come of a body that breaks off is in the file.
 * @throws SandboxError invalid_argument (more or less than the part), aborted (the file became shorter); system errors, and what `body` throws
 */
export async function writeAsItComes(part: Part, body: AsyncIterable<Buffer>): Promise<void> {
  let position = part.start;
  let held: Buffer[] = [];
  let heldBytes = 0;
  const write = async (): Promise<void> => {
    const bytes = Buffer.concat(held, heldBytes);
    held = [];
    heldBytes = 0;
    using _ = await part.locks.ofFile(part.stats);
    const { size } = await part.file.stat();
    if (Number(size) < position) throw changed(`is ${size} bytes long by now, the part went on at ${position}`);
    await writeFully(part.file, bytes, position);
    position += bytes.length;
  };
  try {
    for await (const chunk of inRange(part, body)) {
      held.push(chunk);
      heldBytes += chunk.length;
      if (heldBytes >= BATCH_BYTES) await write();
    }
  } finally {
    if (heldBytes > 0) await write();
  }
}

/**
 * Takes a part in whole, makes sure that the file with it comes to `digests`, and in the file's turn that `check` does not throw; only
 * then writes it. When that fails, what had been there is.
 * @throws as {@link writeAsItComes}, and SandboxError invalid_argument (digest_mismatch)
 */
export async function writeChecked(
  part: Part,
  body: AsyncIterable<Buffer>,
  { spool, digests, check: recheck }: { spool: Spool; digests: readonly Digest[]; check: () => Promise<void> },
): Promise<void> {
  const { file, stats, start, end } = part;
  const sizeBytes = Number(stats.size);
  const check = new DigestCheck(digests);
  if (digests.length > 0) await hash(check, file, { start: 0, end: start });
  await fillSpool(spool, passing(inRange(part, body), check));
  if (digests.length > 0 && part.totalBytes !== end) await hash(check, file, { start: end, end: sizeBytes });
  checkDigests(check, "the file with this part");
  using _ = await part.locks.ofFile(stats);
  await recheck();
  const now = await file.stat();
  if (now.size !== stats.size || now.mtimeNs !== stats.mtimeNs) throw changed("was changed by others meanwhile");
  // What makes the file longer goes first: only that can find the disk full.
  const over = Math.min(Math.max(sizeBytes - start, 0), end - start);
  try {
    await spool.copyTo(file, over, end - start, start);
  } catch (error) {
    await file.truncate(sizeBytes);
    throw error;
  }
  await spool.copyTo(file, 0, over, start);
}

/** Takes away what is behind the part. */
export async function cutOff({ file, stats, end, locks }: Part): Promise<void> {
  using _ = await locks.ofFile(stats);
  const { size } = await file.stat();
  if (size > BigInt(end)) await file.truncate(end);
}

/** A body that is exactly as long as the part. */
async function* inRange({ start, end }: Part, body: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > end - start) throw wrongLength(`more than ${end - start} bytes`);
    yield chunk;
  }
  if (bytes < end - start) throw wrongLength(`${bytes} bytes of ${end - start}`);
}

async function* passing(body: AsyncIterable<Buffer>, check: DigestCheck): AsyncGenerator<Buffer> {
  for await (const chunk of body) {
    check.update(chunk);
    yield chunk;
  }
}

async function hash(check: DigestCheck, file: FileDescriptor, range: { start: number; end: number }): Promise<void> {
  const buffer = Buffer.allocUnsafe(Math.min(READ_BYTES, Math.max(range.end - range.start, 0)));
  for (let position = range.start; position < range.end;) {
    const { bytesRead } = await file.read(buffer, 0, Math.min(buffer.length, range.end - position), position);
    if (bytesRead === 0) throw changed("became shorter meanwhile");
    check.update(buffer.subarray(0, bytesRead));
    position += bytesRead;
  }
}

function wrongLength(what: string): SandboxError {
  return new SandboxError("invalid_argument", `the body has ${what} that Content-Range announces`);
}

function changed(what: string): SandboxError {
  return new SandboxError("aborted", `the file ${what}`, {
    hint: "ask for its length with HEAD, and go on from there",
  });
}
