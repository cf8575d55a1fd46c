import { readFile, realpath } from "node:fs/promises";
import { fromErrno, SandboxError } from "../errors.ts";
import { limitedSignal, withAbort } from "../lib/abort.ts";
import { makeDirectoriesInPool } from "../lib/make-directories.ts";
import type { ExecContext } from "./exec-context.ts";
import { refuseForeignLinks } from "./foreign-links.ts";
import type { Launcher } from "./launcher.ts";
import { type MountedFileSystem, parseMountInfo } from "./mount-info.ts";
import { terminateTree } from "./process-group.ts";
import { lastLine } from "./trial.ts";

/** A directory of an NFS server, as `server:/directory`, and where it is to be. */
export interface Volume {
  target: string;
  path: string;
}

export interface NfsVolumesDeps {
  launcher: Launcher;
  exec: ExecContext;
  /** In the form of `/proc/self/mountinfo`. */
  mountList: string;
  /** How long all volumes of one call may take together, frozen time not counted: `mount` is a program like any other. */
  budgetMs: number;
}

/**
 * Version 3 on one port, since platforms serve volumes without a port mapper; locks are this machine's own, which has no lock daemon.
 * Nothing is cached: a sandbox that was stopped for an hour goes on with files that others have changed.
 */
const OPTIONS = "nfsvers=3,proto=tcp,port=2049,mountproto=tcp,mountport=2049,nolock,noac,lookupcache=none";
const KILL_WAIT_MS = 1000;
const MAX_WORDS = 4096;

/** Mounts volumes of NFS servers with the system's `mount`; one call at a time. */
export class NfsVolumes {
  readonly #deps: NfsVolumesDeps;

  constructor(deps: NfsVolumesDeps) {
    this.#deps = deps;
  }

  /**
   * Mounts each of them, in order, unless it is there already.
   * @throws SandboxError failed_precondition with the words of `mount`, or when something else is mounted there; deadline_exceeded
   */
  async mount(volumes: readonly Volume[]): Promise<void> {
    const { budgetMs, launcher } = this.#deps;
    using limit = limitedSignal(new AbortController().signal, budgetMs, launcher.clock);
    for (const volume of volumes) {
      const what = `cannot mount ${JSON.stringify(volume.target)} at ${JSON.stringify(volume.path)}`;
      try {
        // oxlint-disable-next-line no-await-in-loop -- one may lie in another
        if (!(await withAbort(this.#isThere(volume, what), limit.signal)))
          await this.#mountOne(volume, { what, signal: limit.signal });
      } catch (error) {
        if (!limit.signal.aborted) throw fromErrno(error, what, "failed_precondition");
        throw new SandboxError("deadline_exceeded", `${what}: not within ${budgetMs} ms`, { cause: error });
      }
    }
  }

  /** Makes the directory where there is none. What is mounted already is not touched: its server may not answer. */
  async #isThere({ target, path }: Volume, what: string): Promise<boolean> {
    const mounts = parseMountInfo(await readFile(this.#deps.mountList, "latin1"));
    const find = (point: string): MountedFileSystem | undefined =>
      mounts.findLast((mount) => mount.point === asBytes(point));
    const there = find(path) ?? find(await makeDirectory(path));
    if (!there) return false;
    if (there.source === asBytes(target) && /^nfs\d?$/.test(there.type)) return true;
    throw new SandboxError("failed_precondition", `${what}: something else is mounted there (${there.type})`);
  }

  async #mountOne({ target, path }: Volume, { what, signal }: { what: string; signal: AbortSignal }): Promise<void> {
    const { launcher, exec } = this.#deps;
    const argv = ["mount", "-t", "nfs", "-o", OPTIONS, "--", target, path] as const;
    // Nothing of what /init sets for programs: guestd's own rights go with it.
    const env = { PATH: exec.path, LC_ALL: "C" };
    const program = { argv, env, cwd: "/", identity: exec.users.self(), hasStdin: false };
    let words = "";
    const take = (_stream: unknown, bytes: Uint8Array): boolean => {
      if (words.length < MAX_WORDS) words += Buffer.from(bytes).toString("utf8");
      return true;
    };
    using child = await launcher.start(program, take, { signal });
    try {
      const { status } = await withAbort(child.exit, signal);
      if (status && "code" in status && status.code === 0) return;
    } catch (error) {
      await terminateTree(child, { signal: "SIGTERM", graceMs: 0, killWaitMs: KILL_WAIT_MS });
      throw error;
    }
    throw new SandboxError("failed_precondition", `${what}: ${lastLine(words) || "mount says nothing of why"}`);
  }
}

/** As the list of mounts has it. */
function asBytes(text: string): string {
  return Buffer.from(text).toString("latin1");
}

async function makeDirectory(path: string): Promise<string> {
  await refuseForeignLinks(path);
  await makeDirectoriesInPool(path);
  return realpath(path);
}
