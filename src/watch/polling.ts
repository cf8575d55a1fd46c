import type { Stats } from "node:fs";
import { relative } from "node:path";
import type { Change } from "./types.ts";

/** How often each file is looked at. */
const INTERVAL_MS = 500;

export interface PollingOptions {
  path: string;
  isRecursive: boolean;
  changed: (change: Change) => void;
}

/**
 * Looks at a directory from time to time, where the kernel tells nothing: on mounts of other machines, and when its watches are used
 * up. A rename is a removal and a creation here. Resolves when everything was looked at once.
 */
export async function startPolling({ path, isRecursive, changed }: PollingOptions): Promise<AsyncDisposable> {
  const { watch } = await import("chokidar");
  const watcher = watch(path, {
    usePolling: true,
    interval: INTERVAL_MS,
    binaryInterval: INTERVAL_MS,
    ignoreInitial: true,
    alwaysStat: true,
    followSymlinks: false,
    persistent: false,
    ignorePermissionErrors: true,
    ...(!isRecursive && { depth: 0 }),
  });
  const seen = new Map<string, string>();
  const tell = (type: Change["type"], at: string): void =>
    changed({ type, name: Buffer.from(relative(path, at) || ".").toString("latin1") });
  const note = (at: string, stats: Stats | undefined): void => {
    if (stats) seen.set(at, contentOf(stats));
  };
  const appeared = (at: string, stats?: Stats): void => {
    note(at, stats);
    if (at !== path) tell("create", at);
  };
  const vanished = (at: string): void => {
    seen.delete(at);
    tell("remove", at);
  };
  watcher
    .on("add", appeared)
    .on("addDir", appeared)
    .on("change", (at, stats) => {
      // Without a look from before it cannot be told whether more than the mode has changed.
      const isSame = stats !== undefined && seen.get(at) === contentOf(stats);
      note(at, stats);
      tell(isSame ? "chmod" : "write", at);
    })
    .on("unlink", vanished)
    .on("unlinkDir", vanished)
    .on("error", () => undefined); // what cannot be looked at now may be the next time
  const { promise, resolve } = Promise.withResolvers<void>();
  watcher.on("ready", resolve);
  await promise;
  return { [Symbol.asyncDispose]: () => watcher.close() };
}

function contentOf({ mtimeMs, size }: Stats): string {
  return `${mtimeMs}:${size}`;
}
