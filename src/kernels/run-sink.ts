import type { CellSink } from "./kernel-wires.ts";
import type { CellEvent, Run, TextStream } from "./types.ts";

export interface RunSinkOptions {
  run: Run;
  /** Whether the cell may be kept waiting for a reader that is behind. */
  isPatient: () => boolean;
  /** Text and results beyond this are left out, in bytes. */
  maxBytes: number;
  /** What the cell is told on stderr at its begin. */
  preface: string | undefined;
}

/** What a cell says, put into its run's log. A cell that says too much is told so once, and the rest is left out. */
export class RunSink implements CellSink {
  readonly #options: RunSinkOptions;
  #left: number;
  #isTold = false;
  #hasFailed = false;

  constructor(options: RunSinkOptions) {
    this.#options = options;
    this.#left = options.maxBytes;
  }

  /** Whether the cell has had its error. */
  get hasFailed(): boolean {
    return this.#hasFailed;
  }

  /** The cell's kernel is gone, which is its error unless it has had one: a cell has one at most. */
  fail(name: string, value: string): void {
    if (this.#hasFailed) this.#tell(value);
    else this.event({ type: "error", name, value, traceback: "" });
  }

  get hasRoom(): boolean {
    const { run, isPatient } = this.#options;
    return !run.log.isFull && (!run.log.isPaced || !isPatient());
  }

  text(stream: TextStream, bytes: Buffer): void {
    const { run } = this.#options;
    const part = bytes.subarray(0, this.#take(bytes.length));
    if (part.length > 0) run.log.append(stream, part, { isUnit: true });
    if (part.length < bytes.length) this.#noteFull();
  }

  event(event: CellEvent): void {
    const { run, preface } = this.#options;
    // A cell has one error: a driver that is interrupted while it tells of one may tell of it again.
    if (event.type === "error" && this.#hasFailed) return;
    const bytes = Buffer.from(JSON.stringify(event));
    if (event.type === "result" && this.#take(bytes.length) < bytes.length) return this.#noteFull();
    run.log.append("events", bytes, { isUnit: true });
    this.#hasFailed ||= event.type === "error";
    if (event.type === "start" && preface !== undefined) this.#tell(preface);
  }

  /** How many of `bytes` there is room for; that is taken. */
  #take(bytes: number): number {
    const taken = Math.min(bytes, this.#left);
    this.#left -= taken;
    return taken;
  }

  #noteFull(): void {
    this.#left = 0;
    if (this.#isTold) return;
    this.#isTold = true;
    this.#tell(`the output of this cell is more than ${this.#options.maxBytes} bytes: the rest is left out`);
  }

  #tell(notice: string): void {
    this.#options.run.log.append("stderr", Buffer.from(`guestd: ${notice}\n`), { isUnit: true });
  }
}
