import { isUtf8 } from "node:buffer";
import { errnoName, errnoText, SandboxError } from "../errors.ts";
import type { ExecContext } from "../host/exec-context.ts";
import { fileError, isMissing } from "../filesystem/failures.ts";
import { isDirectory } from "../filesystem/stats.ts";
import type { FileAccess, FileRights, FileStats } from "../host/file-access.ts";
import type { NetworkMounts } from "../host/mounts.ts";
import type { Logger } from "../log.ts";
import { InotifyWatching } from "./inotify-watching.ts";
import { startPolling } from "./polling.ts";
import { exactPath, type GapReason, shownName, type WatchRequest } from "./types.ts";
import { WatchedTree } from "./watched-tree.ts";
import { Watcher } from "./watcher.ts";

export interface WatchersDeps {
  exec: ExecContext;
  rights: FileRights;
  mounts: NetworkMounts;
  log: Logger;
  /** Items that each watcher keeps for its readers. */
  maxItems: number;
  /** Directories that the kernel watches for us at the same time. */
  maxWatches: number;
}

/** Makes watchers. The kernel is asked for an inotify instance when the first one needs it, and for no other. */
export class Watchers implements AsyncDisposable {
  readonly #deps: WatchersDeps;
  readonly #open = new Set<Watcher>();
  #inotify: InotifyWatching | undefined;

  constructor(deps: WatchersDeps) {
    this.#deps = deps;
  }

  /** Directories that the kernel watches for us, and how many it may at most. */
  get budget(): { used: number; limit: number } {
    return { used: this.#inotify?.watchCount ?? 0, limit: this.#deps.maxWatches };
  }

  /**
   * Begins to watch a directory; links to it are resolved. Whoever opens it disposes it.
   * @throws SandboxError not_found, invalid_argument (no directory, or one on a network mount), permission_denied, internal
   */
  async open(request: WatchRequest): Promise<Watcher> {
    const { exec, rights, mounts, maxItems, log } = this.#deps;
    const user = exec.user(request.user);
    const access = rights.of(user);
    const shown = exec.resolve(request.path, user);
    await checkDirectory(access, shown);
    const path = await access.realPath(shown);
    const isNetwork = await isOnNetwork(mounts, path, shown);
    if (isNetwork && !request.allowsNetworkMounts) {
      throw new SandboxError("invalid_argument", `cannot watch path on network filesystem: ${shown}`);
    }
    const settle = async (): Promise<void> => this.#inotify?.settle();
    const watcher = new Watcher({ path, shownPath: shown, isRecursive: request.isRecursive, access, maxItems, settle });
    this.#open.add(watcher);
    watcher.resources.defer(() => void this.#open.delete(watcher));
    try {
      await this.#start(watcher, request, isNetwork ? "network" : undefined);
    } catch (error) {
      await watcher[Symbol.asyncDispose]();
      throw error;
    }
    log.debug("watch.opened", { watcher: watcher.id, mode: watcher.mode });
    return watcher;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#open].map((watcher) => watcher[Symbol.asyncDispose]()));
    this.#inotify?.[Symbol.dispose]();
  }

  async #start(watcher: Watcher, request: WatchRequest, reason: GapReason | undefined): Promise<void> {
    const why = reason ?? (await this.#watch(watcher, request));
    if (why === undefined) return;
    watcher.mode = "polling";
    this.#deps.log.warn("watch.polling", { watcher: watcher.id, reason: why });
    await this.#poll(watcher, "");
  }

  /** Has the kernel watch; why it cannot. @throws SandboxError */
  async #watch(watcher: Watcher, { allowsNetworkMounts }: WatchRequest): Promise<GapReason | undefined> {
    const { path, shownPath, isRecursive, access } = watcher;
    const listener = {
      changed: watcher.changed.bind(watcher),
      lost: watcher.lost.bind(watcher),
      failed: (error: unknown) => {
        this.#deps.log.warn("watch.ended", { watcher: watcher.id, error: errnoText(error) });
        watcher.fail(watcherError(error));
      },
      gap: (name: string, reason: GapReason) => {
        // Polling takes names as text.
        const isText = isUtf8(Buffer.from(name, "latin1"));
        const isPolled = isText && (reason === "budget" || (reason === "network" && allowsNetworkMounts));
        this.#gap(watcher, name, { reason, mode: isPolled ? "polling" : "none" });
      },
    };
    const tree = new WatchedTree({ path, isRecursive, access, listener });
    try {
      const inotify = (this.#inotify ??= this.#openInotify());
      watcher.resources.defer(() => inotify.close(tree));
      await inotify.open(tree);
      return undefined;
    } catch (error) {
      const name = errnoName(error);
      const isFull = error instanceof SandboxError && error.code === "resource_exhausted";
      if (isFull || name === "ENOSPC" || name === "EMFILE") return "budget";
      throw fileError(error, `error adding path ${shownPath} to watcher`);
    }
  }

  #openInotify(): InotifyWatching {
    const { maxWatches, mounts, log } = this.#deps;
    // A bug, or a machine that has run out of something. Whoever watches anew gets a fresh one.
    const failed = (error: unknown): void => {
      log.error("watch.failed", { error: error instanceof Error ? error.stack : String(error) });
      this.#inotify = undefined;
    };
    return new InotifyWatching({ maxWatches, mounts, failed });
  }

  /** A part of a tree that the kernel does not watch: looked at from time to time where that helps. */
  #gap(watcher: Watcher, name: string, gap: { reason: GapReason; mode: "polling" | "none" }): void {
    const { reason, mode } = gap;
    watcher.tellGap(name, reason, mode);
    this.#deps.log.warn("watch.gap", { watcher: watcher.id, reason, mode });
    if (mode === "none") return;
    this.#poll(watcher, name).catch((error: unknown) => {
      watcher.tellGap(name, reason, "none");
      this.#deps.log.warn("watch.polling_failed", { watcher: watcher.id, error: errnoText(error) });
    });
  }

  async #poll(watcher: Watcher, name: string): Promise<void> {
    const path = shownName(exactPath(Buffer.from(watcher.path), name).toString("latin1"));
    const polling = await startPolling({
      path,
      isRecursive: watcher.isRecursive,
      changed: (change) => {
        const below = change.name === "." ? name || "." : name === "" ? change.name : `${name}/${change.name}`;
        watcher.changed({ ...change, name: below });
      },
    });
    if (watcher.resources.disposed) await polling[Symbol.asyncDispose]();
    else watcher.resources.use(polling);
  }
}

function watcherError(cause: unknown): SandboxError {
  return new SandboxError("internal", `watcher error: ${errnoText(cause)}`, {
    hint: "watch it again, and look at everything that is there",
    cause,
  });
}

/** @throws SandboxError */
async function checkDirectory(access: FileAccess, path: string): Promise<void> {
  let stats: FileStats;
  try {
    stats = await access.stat(path);
  } catch (error) {
    if (!isMissing(error)) throw fileError(error, `error statting path ${path}: stat ${path}`);
    throw new SandboxError("not_found", `path ${path} not found: stat ${path}: ${errnoText(error)}`, { cause: error });
  }
  if (isDirectory(stats)) return;
  throw new SandboxError("invalid_argument", `path ${path} not a directory`);
}

async function isOnNetwork(mounts: NetworkMounts, path: string, shown: string): Promise<boolean> {
  try {
    return await mounts.has(path);
  } catch (error) {
    throw fileError(error, `error checking mount status: statfs ${shown}`);
  }
}
