import { Inotify, inotifyRecords, type InotifyRecord } from "../host/inotify.ts";

/** Records that wait in our memory while a large tree is scanned; beyond, some are given up as the kernel itself would do. */
const MAX_PENDING_BYTES = 64 * 1024 * 1024;
/** Handled before others get their turn. */
const SLICE_MS = 4;

type Job = Buffer | (() => void | Promise<void>);

/** Hands the kernel's records to `take`, one after the other in their order; `take` may be slow without the kernel's queue running over. */
export class RecordSource implements Disposable {
  readonly inotify: Inotify;
  readonly #take: (record: InotifyRecord) => void | Promise<void>;
  readonly #overflow: () => Promise<void>;
  #jobs: Job[] = [];
  #pendingBytes = 0;
  #isRunning = false;
  #isDisposed = false;

  /** @throws the system error */
  constructor(deps: { take: (record: InotifyRecord) => void | Promise<void>; overflow: () => Promise<void> }) {
    this.#take = deps.take;
    this.#overflow = deps.overflow;
    this.inotify = new Inotify(() => this.#start());
    this.#start();
  }

  /** Resolves when everything that the kernel knows by now was taken. */
  settle(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.afterPending(resolve);
    return promise;
  }

  /** Calls `job` behind everything that the kernel knows by now. */
  afterPending(job: () => void): void {
    this.pull();
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
    this.#jobs = [this.#overflow, ...this.#jobs.filter((job) => typeof job === "function")];
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
    } finally {
      this.#isRunning = false;
    }
  }

  async #do(job: Job): Promise<void> {
    if (typeof job === "function") return job();
    this.#pendingBytes -= Math.min(job.length, this.#pendingBytes);
    for (const record of inotifyRecords(job)) {
      const work = this.#take(record);
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
