import { type Descriptors, writeAll } from "./descriptors.ts";
import type { Interrupts } from "./interrupts.ts";

/** Values by MIME type. */
export type MimeBundle = Record<string, unknown>;

export interface CellError {
  name: string;
  value: string;
  traceback: string;
}

/** Sends events, each behind a marker in both streams that keeps text and events in order. What is begun is sent whole. */
export class Channel {
  readonly #descriptors: Descriptors;
  readonly #interrupts: Interrupts;
  #nonce = "";
  #barrier = 0;
  /** The request that is being answered; without one, nobody listens to results. */
  #id: string | undefined;

  constructor(descriptors: Descriptors, interrupts: Interrupts) {
    this.#descriptors = descriptors;
    this.#interrupts = interrupts;
  }

  /** Learns how guestd recognizes this kernel's markers, and greets. */
  greet(nonce: string): void {
    this.#nonce = nonce;
    this.#write({ ev: "ready", pid: process.pid, engine: "node", version: process.versions.node });
  }

  adopted(id: string, error: string | undefined): void {
    this.#write({ ev: "adopted", id, error });
  }

  begin(id: string, count: number): void {
    this.#id = id;
    this.#send({ ev: "start", count });
  }

  result(data: MimeBundle, main: boolean): void {
    if (this.#id !== undefined) this.#send({ ev: "result", main, data });
  }

  error({ name, value, traceback }: CellError): void {
    this.#send({ ev: "error", name, value, traceback });
  }

  end(status: "ok" | "error" | "interrupted"): void {
    this.#send({ ev: "end", status });
    this.#id = undefined;
  }

  /** Text of one write of the user: a unit of its own for those who count events. */
  text(stream: "stdout" | "stderr", bytes: Uint8Array): void {
    const descriptor = this.#descriptors[stream];
    this.#interrupts.shield(() => {
      writeAll(descriptor, bytes);
      writeAll(descriptor, `\0\u001B]K;${this.#nonce};\u0007`);
    });
  }

  #send(event: Record<string, unknown>): void {
    this.#interrupts.shield(() => {
      this.#barrier += 1;
      const marker = `\0\u001B]K;${this.#nonce};${this.#barrier}\u0007`;
      writeAll(this.#descriptors.stdout, marker);
      writeAll(this.#descriptors.stderr, marker);
      this.#write({ ...event, id: this.#id, b: this.#barrier });
    });
  }

  #write(event: Record<string, unknown>): void {
    // What user code may have left of a line in this pipe ends here.
    writeAll(this.#descriptors.events, `\n${JSON.stringify(event)}\n`);
  }
}
