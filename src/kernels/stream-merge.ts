import { HeldParts } from "./held-parts.ts";
import { LetGoMarkers } from "./let-go-markers.ts";
import { MarkedStream, type StreamPart } from "./marked-stream.ts";
import type { TextStream } from "./types.ts";

const STREAMS = ["stdout", "stderr"] as const;
/** A kernel's event is in its pipe soon after its markers. Who has forged a marker may wait for it for ever, and print meanwhile. */
const MAX_HELD_TEXT_BYTES = 16 * 1024 * 1024;
/** Likewise for events behind a forged one; one alone may be as large as it likes. */
const MAX_HELD_EVENT_BYTES = 64 * 1024 * 1024;

/** Receives what a kernel says in the order it was said. Text is only valid during the call. */
export interface MergeTarget<Event> {
  onText(stream: TextStream, bytes: Buffer): void;
  onUnitEnd(stream: TextStream): void;
  onEvent(event: Event): void;
}

/**
 * Puts three pipes back into the order in which a kernel wrote to them. Before each event the kernel writes a numbered marker
 * into both text streams: text behind marker n waits for event n, and event n waits until both streams have reached it.
 * What waits is bounded; beyond that it is handed on as it stands: the order may be lost then, but no text and no event is, and no event
 * waits for what was handed on.
 */
export class StreamMerge<Event extends { barrier: number }> {
  readonly #target: MergeTarget<Event>;
  readonly #scanners: Readonly<Record<TextStream, MarkedStream>>;
  /** Parts behind a marker whose event has not come; the first of each is always a barrier. */
  readonly #held: Readonly<Record<TextStream, HeldParts<StreamPart>>>;
  /** Barriers that hold nothing any more, since too much was behind them. */
  readonly #letGo: Readonly<Record<TextStream, LetGoMarkers>> = {
    stdout: new LetGoMarkers(),
    stderr: new LetGoMarkers(),
  };
  readonly #events = new HeldParts<{ event: Event; sizeBytes: number }>(({ sizeBytes }) => sizeBytes);

  constructor(options: { nonce: string; target: MergeTarget<Event> }) {
    this.#target = options.target;
    this.#scanners = { stdout: new MarkedStream(options), stderr: new MarkedStream(options) };
    this.#held = { stdout: new HeldParts(sizeOf), stderr: new HeldParts(sizeOf) };
  }

  push(stream: TextStream, bytes: Buffer): void {
    const held = this.#held[stream];
    for (const part of this.#scanners[stream].push(bytes)) {
      if (held.isEmpty && !("barrier" in part)) this.#deliver(stream, part);
      else held.push("text" in part ? { text: Buffer.from(part.text) } : part);
    }
    this.#release();
    if (held.costBytes <= MAX_HELD_TEXT_BYTES) return;
    this.#giveUpOrder(stream);
    this.#release();
  }

  /** `sizeBytes`: what it takes in memory, roughly. */
  pushEvent(event: Event, sizeBytes = 0): void {
    this.#events.push({ event, sizeBytes });
    this.#release();
    while (this.#events.costBytes > MAX_HELD_EVENT_BYTES + sizeBytes) {
      this.#deliverEvent();
      this.#release();
    }
  }

  /** Delivers everything as it stands: the kernel is gone, and no marker will come any more. */
  flush(): void {
    for (const stream of STREAMS) {
      for (const part of this.#held[stream].takeAll()) this.#deliver(stream, part);
      const rest = this.#scanners[stream].end();
      if (rest.length > 0) this.#deliver(stream, { text: rest });
    }
    for (const { event } of this.#events.takeAll()) this.#target.onEvent(event);
  }

  #release(): void {
    for (let { first } = this.#events; first; { first } = this.#events) {
      const { barrier } = first.event;
      if (barrier > 0 && !STREAMS.every((stream) => this.#reaches(stream, barrier))) return;
      this.#deliverEvent();
    }
  }

  /** The first one, with the text behind it. */
  #deliverEvent(): void {
    const first = this.#events.shift();
    if (!first) return;
    this.#target.onEvent(first.event);
    for (const stream of STREAMS) this.#pass(stream, first.event.barrier);
  }

  /** Whether a stream is at marker `barrier` or beyond; lets the text before it out. Markers of events that got lost are stepped over. */
  #reaches(stream: TextStream, barrier: number): boolean {
    if (this.#letGo[stream].has(barrier)) return true;
    const held = this.#held[stream];
    for (let { first } = held; first; { first } = held) {
      if ("barrier" in first && first.barrier >= barrier) return true;
      held.shift();
      this.#deliver(stream, first);
    }
    return false;
  }

  /** Takes marker `barrier` away and lets out the text behind it, up to the next marker. */
  #pass(stream: TextStream, barrier: number): void {
    this.#letGo[stream].pass(barrier);
    const held = this.#held[stream];
    for (let { first } = held; first; { first } = held) {
      if ("barrier" in first && first.barrier > barrier) return;
      held.shift();
      this.#deliver(stream, first);
    }
  }

  /** Text does not wait for the events of the markers there are any more, and those do not wait for this stream. */
  #giveUpOrder(stream: TextStream): void {
    const parts = this.#held[stream].takeAll();
    this.#letGo[stream].add(parts.flatMap((part) => ("barrier" in part ? [part.barrier] : [])));
    for (const part of parts) this.#deliver(stream, part);
  }

  #deliver(stream: TextStream, part: StreamPart): void {
    if ("text" in part) this.#target.onText(stream, part.text);
    else if ("unitEnd" in part) this.#target.onUnitEnd(stream);
  }
}

function sizeOf(part: StreamPart): number {
  return "text" in part ? part.text.length : 0;
}
