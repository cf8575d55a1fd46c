import { randomBytes } from "node:crypto";
import type { ProgramChild } from "../host/program-child.ts";
import { LineSplitter } from "../lib/line-splitter.ts";
import { IdleOutput } from "./idle-output.ts";
import { type KernelMessage, parseMessage } from "./protocol.ts";
import { StreamMerge } from "./stream-merge.ts";
import { TextUnits } from "./text-units.ts";
import type { CellEvent, CellStatus, KernelIdentity, TextStream } from "./types.ts";

/** Largest event of a kernel: a result with all its images. */
const MAX_EVENT_BYTES = 64 * 1024 * 1024;

/** Receives what a cell says, in order. Bytes may be kept. */
export interface CellSink {
  /** False stops the kernel's output until `resumeOutput()`. */
  readonly hasRoom: boolean;
  text(stream: TextStream, bytes: Buffer): void;
  event(event: CellEvent): void;
}

/** What became of a change of directory and variables. */
export interface Adoption {
  /** Why the directory could not be entered. */
  error: string | undefined;
  /** What the kernel has loaded may be out of date: packages were installed since. */
  isStale: boolean;
}

/** A cell that runs in a kernel. */
export interface Cell {
  id: string;
  sink: CellSink;
  done: PromiseWithResolvers<CellStatus | "died">;
}

/** What comes out of a kernel's process, put in order and handed to the cell that runs. */
export class KernelWires {
  readonly nonce = randomBytes(8).toString("hex");
  readonly ready = Promise.withResolvers<KernelIdentity>();
  readonly adoptions = new Map<string, PromiseWithResolvers<Adoption>>();
  /** The cell that runs. */
  cell: Cell | undefined;
  #child: ProgramChild | undefined;
  /** The cell that the kernel has begun: text before that is nobody's yet. */
  #begun: Cell | undefined;
  readonly #idle = new IdleOutput();
  readonly #lines: LineSplitter;
  readonly #units: TextUnits;
  readonly #merge: StreamMerge<KernelMessage>;

  constructor(byLine: boolean) {
    this.#lines = new LineSplitter({ maxLineBytes: MAX_EVENT_BYTES, onTooLong: () => this.#noticeTooLong() });
    this.#units = new TextUnits({ byLine, emit: (stream, bytes) => this.#emit(stream, bytes) });
    this.#merge = new StreamMerge<KernelMessage>({
      nonce: this.nonce,
      target: {
        onText: (stream, bytes) => this.#units.write(stream, bytes),
        onUnitEnd: () => this.#units.flush(),
        onEvent: (message) => this.#handle(message),
      },
    });
  }

  get child(): ProgramChild {
    if (!this.#child) throw new Error("the kernel has no process yet");
    return this.#child;
  }

  /** The last line that was printed outside of cells. */
  get lastWords(): string {
    return this.#idle.lastLine;
  }

  attach(child: ProgramChild): void {
    this.#child = child;
  }

  /** Takes output; `bytes` may be reused afterwards. Returns false when the cell's reader has enough for now. */
  take(stream: TextStream, bytes: Buffer): boolean {
    this.#merge.push(stream, bytes);
    return this.#hasRoom;
  }

  /** Takes events, likewise. */
  takeEvents(bytes: Buffer): boolean {
    for (const line of this.#lines.push(bytes)) {
      const message = parseMessage(line);
      if (message) this.#merge.pushEvent(message, line.length);
    }
    return this.#hasRoom;
  }

  /** The process is gone: what it said is delivered as far as it goes, and a running cell ends. */
  close(): void {
    this.#merge.flush();
    this.#units.flush();
    if (!this.cell) return;
    if (this.cell !== this.#begun) this.#begin(this.cell); // it will not hear a start any more
    this.cell.done.resolve("died");
  }

  /** Asked of all pipes alike: what one brings while another is stopped would pile up behind its markers. */
  get #hasRoom(): boolean {
    return this.cell?.sink.hasRoom ?? true;
  }

  #emit(stream: TextStream, bytes: Buffer): void {
    if (this.cell && this.cell === this.#begun) this.cell.sink.text(stream, bytes);
    else this.#idle.add(stream, bytes);
  }

  #handle(message: KernelMessage): void {
    this.#units.flush();
    if (message.type === "ready") {
      this.#idle.take(); // what an interpreter says at its start is nobody's output
      this.ready.resolve({ engine: message.engine, version: message.version });
    } else if (message.type === "adopted") this.adoptions.get(message.id)?.resolve(message);
    else if (message.type === "forked" || message.type === "refused" || message.type === "loaded") return; // a fork server's words, which this is not
    else if (message.id === this.cell?.id) {
      if (message.type === "end") {
        this.#begun = undefined; // text right behind the end is the next cell's
        return this.cell.done.resolve(message.status);
      }
      this.cell.sink.event(message.event);
      if (message.event.type === "start") this.#begin(this.cell);
    }
  }

  /** What background threads and children printed since the last cell belongs to this one. */
  #begin(cell: Cell): void {
    this.#begun = cell;
    for (const { stream, bytes } of this.#idle.take()) this.#emit(stream, bytes);
  }

  #noticeTooLong(): void {
    this.#units.write(
      "stderr",
      Buffer.from(`guestd: a result or error larger than ${MAX_EVENT_BYTES} bytes was left out\n`),
    );
  }
}
