import { mustCall, type ProcessEvent } from "../helpers/process-calls.ts";
import { eventOf, WireStream } from "../unit/edge/connect/wire-client.ts";

interface Offsets {
  stdout: string;
  stderr: string;
  pty: string;
}

export const SIZE = { cols: 80, rows: 24 };

/** A subscriber of a terminal through Process/Start or Connect that keeps everything it gets. */
export class TerminalClient {
  readonly #url: string;
  readonly #stream: WireStream;
  readonly #chunks: Buffer[] = [];
  #bytes = 0;
  pid = 0;
  /** Where the start event says that this subscriber begins. */
  offsets: Offsets | undefined;
  end: ProcessEvent["end"];
  close: ProcessEvent["close"];

  private constructor(url: string, stream: WireStream) {
    this.#url = url;
    this.#stream = stream;
  }

  /** Starts a script of `sh`, or what `more` says, in a terminal. */
  static start(url: string, script: string, more: Record<string, unknown> = {}): Promise<TerminalClient> {
    const { headers = {}, envs, ...fields } = more as { headers?: Record<string, string>; envs?: object };
    const process = { cmd: "/bin/sh", args: ["-c", script], ...(envs && { envs }) };
    return TerminalClient.#open(url, "Start", { process, pty: { size: SIZE }, ...fields }, headers);
  }

  static connect(url: string, pid: number, resumeFrom?: { pty: string | number }): Promise<TerminalClient> {
    return TerminalClient.#open(url, "Connect", { process: { pid }, ...(resumeFrom && { resumeFrom }) }, {});
  }

  static async #open(
    url: string,
    method: string,
    message: unknown,
    headers: Record<string, string>,
  ): Promise<TerminalClient> {
    const client = new TerminalClient(url, await WireStream.open(url, `/process.Process/${method}`, message, headers));
    await client.#take();
    return client;
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  get text(): string {
    return this.bytes.toString("latin1");
  }

  /** Goes away without a word. */
  leave(): void {
    this.#stream.destroy();
  }

  /** Stops reading from the network, until something is waited for. */
  stall(): void {
    this.#stream.response.pause();
  }

  async type(input: string | Uint8Array): Promise<void> {
    await mustCall(this.#url, "SendInput", {
      process: { pid: this.pid },
      input: { pty: Buffer.from(input as string).toString("base64") },
    });
  }

  async resize(cols: number, rows: number): Promise<void> {
    await mustCall(this.#url, "Update", { process: { pid: this.pid }, pty: { size: { cols, rows } } });
  }

  async kill(descendants = true): Promise<void> {
    await mustCall(this.#url, "SendSignal", { process: { pid: this.pid }, signal: "SIGNAL_SIGKILL", descendants });
  }

  async until(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const found = pattern.exec(this.text);
      if (found) return found;
      if (!(await this.#take())) throw new Error(`ended without ${pattern}: ${JSON.stringify(this.text.slice(-500))}`);
    }
  }

  /** Reads to the end of the stream; resolves with all text. */
  async rest(): Promise<string> {
    while (await this.#take());
    return this.text;
  }

  async #take(): Promise<boolean> {
    const frame = await this.#stream.next();
    if (!frame) return false;
    const event = eventOf(frame) as ProcessEvent & { start?: { pid: number; offsets?: Offsets } };
    if (event.start) {
      this.pid = event.start.pid;
      this.offsets = event.start.offsets;
    }
    if (event.data?.pty !== undefined) this.#add(event.data.pty, event.data.offset);
    else if (event.data) throw new Error(`a terminal has no such output: ${JSON.stringify(event)}`);
    if (event.end) this.end = event.end;
    if (event.close) this.close = event.close;
    return true;
  }

  /** Every piece follows the one before. */
  #add(pty: string, offset: string | undefined): void {
    const bytes = Buffer.from(pty, "base64");
    const expected = Number(this.offsets?.pty ?? 0) + this.#bytes;
    if (Number(offset ?? 0) !== expected) throw new Error(`a piece at ${offset} where ${expected} was next`);
    this.#bytes += bytes.length;
    this.#chunks.push(bytes);
  }
}
