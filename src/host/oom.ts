import { constants, readFileSync, readlinkSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { uptime } from "node:os";
import { errnoName } from "../errors.ts";
import { memoryCgroup } from "./cgroup.ts";

/** How sure it is that the kernel killed a program for want of memory. */
export type OomCertainty = "certain" | "likely";

/** The process namespace that the kernel's log counts in. */
const FIRST_PID_NAMESPACE = "pid:[4026531836]";
/** A record of the kernel's log and its prefix are never longer. */
const RECORD_BYTES = 8192;
/** `6,339,5140900,-;text`: priority with facility, sequence, µs since boot, flags. */
const KILLED = /^(\d+),\d+,(\d+),[^;]*;.*\bKilled process (\d+) \(/;
/** The kernel's clock for its log and ours for a run's start differ by less. */
const CLOCK_TOLERANCE_S = 2;
const MAX_REMEMBERED = 1000;
/** The counter is not read at every start of a program. */
const COUNT_AGE_MS = 1000;

/**
 * Tells who was killed by the kernel for want of memory: for certain where the kernel's log can be read and names the process,
 * and as likely where the counter of our memory cgroup (v1 or v2) rose while the program ran.
 */
export class OomWatch implements AsyncDisposable {
  readonly #counter: (() => number | undefined) | undefined;
  readonly #logPath: string | undefined;
  /** Process id → seconds since boot at which it was killed. */
  readonly #killed = new Map<number, number>();
  #lastCount: number | undefined;
  #countedAt = -Infinity;
  #log: FileHandle | undefined;
  #reading: Promise<void> | undefined;
  #isDisposed = false;

  constructor(options: { counterFile?: string | undefined; logPath?: string | undefined } = defaultSources()) {
    const { counterFile } = options;
    this.#counter = counterFile === undefined ? undefined : () => readCount(counterFile);
    this.#logPath = options.logPath;
  }

  /** Kills counted so far or a second ago, to be kept from a program's start; undefined where nothing counts. */
  recentCount(): number | undefined {
    const now = performance.now();
    if (now - this.#countedAt >= COUNT_AGE_MS) {
      this.#lastCount = this.#counter?.();
      this.#countedAt = now;
    }
    return this.#lastCount;
  }

  /**
   * Why a program got SIGKILL that nobody of ours sent.
   * @param countAtStart what `recentCount()` said when it started
   * @param wallMs how long it ran
   */
  async verdict(pid: number, countAtStart: number | undefined, wallMs: number): Promise<OomCertainty | undefined> {
    await this.#readLog();
    const killedAt = this.#killed.get(pid);
    if (killedAt !== undefined && killedAt >= uptime() - wallMs / 1000 - CLOCK_TOLERANCE_S) return "certain";
    const count = this.#counter?.();
    return count !== undefined && countAtStart !== undefined && count > countAtStart ? "likely" : undefined;
  }

  /** Reads what the kernel's log has by now; later looks are quick then. */
  async prime(): Promise<void> {
    await this.#readLog();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isDisposed = true;
    await this.#reading;
    await this.#log?.close();
    this.#log = undefined;
  }

  async #readLog(): Promise<void> {
    // Whoever asks while a reading is under way needs one that begins after it asked.
    if (this.#reading) await this.#reading;
    this.#reading ??= this.#readRecords().finally(() => (this.#reading = undefined));
    await this.#reading;
  }

  /** Never rejects: without the log there is the counter. */
  async #readRecords(): Promise<void> {
    if (this.#logPath === undefined || this.#isDisposed) return;
    try {
      this.#log ??= await open(this.#logPath, constants.O_RDONLY | constants.O_NONBLOCK);
    } catch {
      return; // not ours to read
    }
    const buffer = Buffer.alloc(RECORD_BYTES);
    for (;;) {
      try {
        const { bytesRead } = await this.#log.read(buffer, 0, RECORD_BYTES);
        if (bytesRead === 0) return;
        this.#take(buffer.toString("latin1", 0, bytesRead));
      } catch (error) {
        if (errnoName(error) !== "EPIPE") return; // EPIPE: records were overwritten; EAGAIN: that was all
      }
    }
  }

  #take(text: string): void {
    for (const line of text.split("\n")) {
      const [, priority, microseconds, pid] = KILLED.exec(line) ?? [];
      // Facility 0 is the kernel; what programs write there has another.
      if (priority === undefined || Number(priority) >= 8) continue;
      this.#killed.delete(Number(pid));
      this.#killed.set(Number(pid), Number(microseconds) / 1e6);
      const [oldest] = this.#killed.keys();
      if (this.#killed.size > MAX_REMEMBERED && oldest !== undefined) this.#killed.delete(oldest);
    }
  }
}

function defaultSources(): { counterFile: string | undefined; logPath: string | undefined } {
  return { counterFile: memoryCgroup()?.eventsFile, logPath: isFirstPidNamespace() ? "/dev/kmsg" : undefined };
}

function isFirstPidNamespace(): boolean {
  try {
    return readlinkSync("/proc/self/ns/pid") === FIRST_PID_NAMESPACE;
  } catch {
    return false;
  }
}

/** `oom_kill 3` of `memory.events` (v2) or `memory.oom_control` (v1). */
function readCount(file: string): number | undefined {
  try {
    const count = /^oom_kill (\d+)$/m.exec(readFileSync(file, "latin1"))?.[1];
    return count === undefined ? undefined : Number(count);
  } catch {
    return undefined;
  }
}
