import { constants } from "node:fs";
import { mkdir, open, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "vitest";
import { startForkedDaemon } from "./forked-daemon.ts";
import { NativeFiles } from "./native-files.ts";
import type { Random } from "./random.ts";

const O_TMPFILE = 0o20000000 | constants.O_DIRECTORY;
const FILES = 4;
const MAX_BYTES = 2_000_000;
/** Answers to wait for before the kill, at most: it comes amid whatever the other writers are at. */
const MAX_ANSWERS = 30;

/**
 * Lets writers replace files over and over, kills the daemon with SIGKILL amid it, and checks that each file has the content of one write,
 * whole, and that nothing else is there.
 */
export async function killMidWrite(folder: string, random: Random): Promise<void> {
  const files = join(folder, "files");
  await mkdir(files, { recursive: true });
  await using daemon = await startForkedDaemon([], { temporaryFolder: folder });
  const client = new NativeFiles(() => daemon.url);
  const killed = Promise.withResolvers<void>();
  let answers = 1 + random.below(MAX_ANSWERS);
  const writers = Array.from({ length: FILES }, async (_, index) => {
    for (;;) {
      const letter = String.fromCharCode(97 + random.below(26));
      const body = Buffer.alloc(random.below(MAX_BYTES), letter);
      try {
        const { status } = await client.put(join(files, String(index)), body);
        if (status > 201) throw new Error(`PUT answered ${status}`);
      } catch (error) {
        if (error instanceof TypeError) return; // the connection is gone, as it should
        throw error;
      }
      answers -= 1;
      if (answers === 0) killed.resolve();
    }
  });
  await Promise.race([killed.promise, ...writers]);
  await daemon.kill();
  await Promise.all(writers);
  const isNameless = await hasNamelessFiles(files);
  for (const name of await readdir(files)) {
    // Without nameless files what is on its way has a name already, which is no name of a file of the user's.
    if (!isNameless && /^\.guestd-[0-9a-f]{16}$/.test(name)) continue;
    expect(name).toMatch(/^[0-3]$/);
    const content = await readFile(join(files, name));
    expect(content.equals(Buffer.alloc(content.length, content[0] ?? 0))).toBe(true);
  }
}

async function hasNamelessFiles(folder: string): Promise<boolean> {
  try {
    await using _ = await open(folder, constants.O_RDWR | O_TMPFILE);
    return true;
  } catch {
    return false;
  }
}
