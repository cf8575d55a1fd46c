import { execFileSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { UploadedFile } from "../../../src/filesystem/uploads.ts";
import type { TestFiles } from "./server.ts";

export const KIB = 1024;
export const MIB = 1024 * KIB;
const CHUNK = Buffer.alloc(64 * KIB, "chunk of a body ");

/** `sizeBytes` of a pattern, then `finish`, which may throw. Each chunk is its taker's own, as those of a socket are. */
export async function* bodyOf(sizeBytes: number, finish?: () => Promise<void> | void): AsyncGenerator<Buffer> {
  for (let left = sizeBytes; left > 0; left -= CHUNK.length) yield Buffer.from(CHUNK.subarray(0, left));
  await finish?.();
}

export async function* textBody(text: string): AsyncGenerator<Buffer> {
  yield Buffer.from(text);
}

/** All of a body. */
export async function collect(body: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks);
}

export function save(
  files: TestFiles,
  path: string,
  body: AsyncIterable<Buffer> | string,
  options: { metadata?: Record<string, string>; user?: string } = {},
): Promise<UploadedFile> {
  const chunks = typeof body === "string" ? textBody(body) : body;
  const { metadata = {}, user } = options;
  return files.uploads.save({ path, body: chunks, metadata, declaredBytes: undefined }, { user });
}

export interface SmallDisk extends AsyncDisposable {
  path: string;
}

/** A file system of its own; undefined where mounting is not allowed. */
export async function smallDisk(options: string): Promise<SmallDisk | undefined> {
  const path = await mkdtemp(join(tmpdir(), "guestd-disk-"));
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", options, "tmpfs", path], { stdio: "ignore" });
  } catch {
    await rm(path, { recursive: true });
    return undefined;
  }
  return {
    path,
    [Symbol.asyncDispose]: async () => {
      execFileSync("umount", [path]);
      await rm(path, { recursive: true });
    },
  };
}
