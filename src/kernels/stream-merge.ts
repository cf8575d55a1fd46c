import { MarkedStream, type StreamPart } from "./marked-stream.ts";
import type { TextStream } from "./types.ts";

const STREAMS = ["stdout", "stderr"] as const;

/** Receives what a kernel says in the order it was said. Text is only valid during the call. */
export interface MergeTarget<Event> {
  onText(stream: TextStream, bytes: Buffer): void;
  onUnitEnd(stream: TextStream): void;
  onEvent(event: Event): void;
}

/**
 * Puts three pipes back into the order in which a kernel wrote to them. Before each event the kernel writes a numbered marker
 * into both text streams: text behind marker n waits for event n, and event n waits until both streams have reached it.
 */
export class StreamMerge<Event extends { barrier: number }> {
  readonly #target: MergeTarget<Event>;
  readonly #scanners: Readonly<Record<TextStream, MarkedStream>>;
  /** Parts behind a marker whose event has not come; the first of each is always a barrier. */
  readonly #queues: Readonly<Record<TextStream, StreamPart[]>> = { stdout: [], stderr: [] };
  readonly #events: Event[] = [];

  constructor(options: { nonce: string; target: MergeTarget<Event> }) {
    this.#target = options.target;
    this.#scanners = { stdout: new MarkedStream(options), stderr: new MarkedStream(options) };
  }

  push(stream: TextStream, bytes: Buffer): void {
    const queue = this.#queues[stream];
    for (const part of this.#scanners[stream].push(bytes)) {
      if (queue.length === 0 && !("barrier" in part)) this.#deliver(stream, part);
      else queue.push("text" in part ? { text: Buffer.from(part.text) } : part);
    }
    this.#release();
  }

  pushEvent(event: Event): void {
    this.#events.push(event);
    this.#release();
  }

  /** Delivers everything as it stands: the kernel is gone, and no marker will come any more. */
  flush(): void {
    for (const stream of STREAMS) {
      const rest = this.#scanners[stream].end();
      for (const part of [...this.#queues[stream].splice(0), ...(rest.length > 0 ? [{ text: rest }] : [])]) {
        if (!("barrier" in part)) this.#deliver(stream, part);
      }
    }
    for (const event of this.#events.splice(0)) this.#target.onEvent(event);
  }

  #release(): void {
    for (let [event] = this.#events; event; [event] = this.#events) {
      const { barrier } = event;
      if (barrier > 0 && !STREAMS.every((stream) => this.#reaches(stream, barrier))) return;
      this.#events.shift();
      this.#target.onEvent(event);
      for (const stream of STREAMS) this.#pass(stream, barrier);
    }
  }

  /** Whether a stream is at marker `barrier` or beyond; lets the text before it out. Markers of events that got lost are stepped over. */
  #reaches(stream: TextStream, barrier: number): boolean {
    const queue = this.#queues[stream];
    for (let [part] = queue; part; [part] = queue) {
      if ("barrier" in part && part.barrier >= barrier) return true;
      queue.shift();
      if (!("barrier" in part)) this.#deliver(stream, part);
    }
    return false;
  }

  /** Takes marker `barrier` away and lets out the text behind it, up to the next marker. */
  #pass(stream: TextStream, barrier: number): void {
    const queue = this.#queues[stream];
    for (let [part] = queue; part; [part] = queue) {
      if ("barrier" in part && part.barrier > barrier) return;
      queue.shift();
      if (!("barrier" in part)) this.#deliver(stream, part);
    }
  }

  #deliver(stream: TextStream, part: StreamPart): void {
    if ("text" in part) this.#target.onText(stream, part.text);
    else if ("unitEnd" in part) this.#target.onUnitEnd(stream);
  }
}
