import { closeSync, openSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { shareFile } from "../host/libc-lock.ts";

/**
 * The folders that `npm run kernels` has prepared. One that was found stays the kernel's, and a set-up that replaces it meanwhile
 * leaves it there, until this is disposed.
 */
export class PreparedFolders implements Disposable {
  readonly #folder: string;
  readonly #found = new Map<string, { path: string; fd: number }>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Where a kernel's is, or would be. */
  of(kernel: string): string {
    const link = join(this.#folder, kernel);
    const found = this.#found.get(kernel) ?? hold(link);
    if (!found) return link;
    this.#found.set(kernel, found);
    return found.path;
  }

  [Symbol.dispose](): void {
    for (const { fd } of this.#found.values()) closeSync(fd);
    this.#found.clear();
  }
}

/** Undefined when there is nothing. */
function hold(link: string): { path: string; fd: number } | undefined {
  let fd: number | undefined;
  try {
    fd = openSync(link, "r");
    shareFile(fd);
    // What was opened, wherever the link leads by now.
    return { path: realpathSync(`/proc/self/fd/${fd}`), fd };
  } catch {
    if (fd !== undefined) closeSync(fd);
    return undefined;
  }
}
