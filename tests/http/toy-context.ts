import { send, type WireReply } from "../unit/edge/connect/wire-client.ts";
import { type CellLine, CellStream, execute } from "../unit/kernels/cell-client.ts";

/** A context of the toy language for one test, over HTTP. */
export class ToyContext implements AsyncDisposable {
  readonly id: string;
  readonly #url: string;

  private constructor(url: string, id: string) {
    this.#url = url;
    this.id = id;
  }

  static async create(url: string): Promise<ToyContext> {
    const headers = { "Content-Type": "application/json" };
    const { text } = await send(url, { path: "/contexts", headers, body: '{"language":"toy"}' });
    return new ToyContext(url, (JSON.parse(text) as { id: string }).id);
  }

  run(code: string, more: object = {}): Promise<CellLine[]> {
    return execute(this.#url, { context_id: this.id, code, ...more });
  }

  open(code: string, more: object = {}): Promise<CellStream> {
    return CellStream.open(this.#url, { context_id: this.id, code, ...more });
  }

  /** Opens a cell that says `up` and sleeps, and waits until it does. */
  async openSleeper(more: object = {}): Promise<CellStream> {
    const stream = await this.open("print up\nsleep 60000", more);
    await stream.until(({ type }) => type === "stdout");
    return stream;
  }

  restart = (): Promise<WireReply> => send(this.#url, { path: `/contexts/${this.id}/restart` });
  interrupt = (): Promise<WireReply> => send(this.#url, { path: `/contexts/${this.id}/interrupt` });
  remove = (): Promise<WireReply> => send(this.#url, { method: "DELETE", path: `/contexts/${this.id}` });

  async [Symbol.asyncDispose](): Promise<void> {
    await this.remove();
  }
}
