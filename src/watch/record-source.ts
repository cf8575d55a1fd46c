import { Inotify, inotifyRecords, type InotifyRecord } from "../host/inotify.ts";

/** Records that wait in our memory while a large tree is scanned; beyond, some are given up as the kernel itself would do. */
const MAX_PENDING_BYTES = 64 * 1024 * 1024;
/** Handled before others get their turn. */
const SLICE_MS = 4;

type Job = Buffer | "overflow" | (() => void);

/** What is done with the records. */
export interface RecordSourceDeps {
  /** Called with one after the other in their order; may be slow without the kernel's queue running over. */
  take: (record: InotifyRecord) => void | Promise<void>;
  /** Records were given up. */
  overflow: () => Promise<void>;
  /** Something has thrown: no record is taken any more. */
  failed: (error: unknown) => void;
}

/** Hands over the kernel's records, from the first to the last or to the first that cannot be taken. */
export class RecordSource implements Disposable {
  readonly inotify: Inotify;
  readonly #deps: RecordSourceDeps;
  #jobs: Job[] = [];
  #pendingBytes = 0;
  #isRunning = false;
  #isDisposed = false;

  /** @throws the system error */
  constructor(deps: RecordSourceDeps) {
    this.#deps = deps;
    this.inotify = new Inotify(() => this.#start());
    this.#start();
  }

  /** Resolves when everything that the kernel knows by now was taken, or nothing is taken any more. */
  settle(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.afterPending(resolve);
    return promise;
  }

  /** Calls `job` behind everything that the kernel knows by now. */
  afterPending(job: () => void): void {
    try {
      this.pull();
    } catch (error) {
      this.#fail(error);
    }
    if (this.#isDisposed) return job();
    this.#jobs.push(job);
    this.#start();
  }

  /** Makes room in the kernel's queue. */
  pull(): void {
    for (let bytes = this.inotify.read(); bytes; bytes = this.inotify.read()) {
      this.#jobs.push(bytes);
      this.#pendingBytes += bytes.length;
    }
    if (this.#pendingBytes <= MAX_PENDING_BYTES) return;
    this.#jobs = ["overflow", ...this.#jobs.filter((job) => typeof job === "function")];
    this.#pendingBytes = 0;
  }

  [Symbol.dispose](): void {
    this.#isDisposed = true;
    this.inotify[Symbol.dispose]();
  }

  #start(): void {
    if (this.#isRunning) return;
    this.#isRunning = true;
    void this.#run();
  }

  /** Until nothing is left; the kernel then calls again. */
  async #run(): Promise<void> {
    let beganAt = performance.now();
    try {
      for (let job = this.#next(); job !== undefined; job = this.#next()) {
        await this.#do(job);
        if (performance.now() - beganAt < SLICE_MS) continue;
        await new Promise((resolve) => {
          setImmediate(resolve);
        });
        beganAt = performance.now();
      }
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#isRunning = false;
    }
  }

  /** Whoever waits for what will not come learns it now. */
  #fail(error: unknown): void {
    const isFirst = !this.#isDisposed;
    this[Symbol.dispose]();
    if (isFirst) this.#deps.failed(error);
    for (const job of this.#jobs.splice(0)) if (typeof job === "function") job();
  }

  async #do(job: Job): Promise<void> {
    if (typeof job === "function") return job();
    if (job === "overflow") return this.#deps.overflow();
    this.#pendingBytes -= Math.min(job.length, this.#pendingBytes);
    for (const record of inotifyRecords(job)) {
      const work = this.#deps.take(record);
      if (work) await work;
    }
  }

  #next(): Job | undefined {
    while (!this.#isDisposed || this.#jobs.length > 0) {
      const job = this.#jobs.shift();
      if (job) return job;
      this.pull();
      if (this.#jobs.length === 0 && this.inotify.arm()) return undefined;
    }
    return undefined;
  }
}
