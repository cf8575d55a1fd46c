import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

/** Somebody who puts a link in the place of a file, and a file in the place of the link, as fast as they can. */
export interface LinkSwapper extends AsyncDisposable {
  /** Links put in place so far. */
  swaps(): Promise<number>;
}

/**
 * Swaps `path`, in a process of its own, between a file of its own content (or a directory) and a link to `target`, from now on until
 * disposed.
 */
export async function startLinkSwapper(
  path: string,
  target: string,
  kind: "file" | "directory" = "file",
): Promise<LinkSwapper> {
  const child = fork(join(import.meta.dirname, "link-swapper-child.ts"), [path, target, kind]);
  const exited = once(child, "exit");
  await once(child, "message");
  return {
    async swaps() {
      child.send("count");
      const [count] = (await once(child, "message")) as [number];
      return count;
    },
    async [Symbol.asyncDispose]() {
      child.disconnect();
      await exited;
    },
  };
}
