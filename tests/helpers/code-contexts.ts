import { readFileSync } from "node:fs";
import { descendantsOf } from "../../src/host/process-tree.ts";
import { type CellLine, CellStream, errorsOf, execute, resultOf, textOf } from "../unit/kernels/cell-client.ts";

/** A code context of its own for one test, over HTTP. */
export class CodeSession implements AsyncDisposable {
  readonly id: string;
  readonly #url: string;
  readonly #headers: Record<string, string>;

  private constructor(url: string, id: string, headers: Record<string, string>) {
    this.#url = url;
    this.id = id;
    this.#headers = headers;
  }

  /** `headers` are sent with every request. */
  static async open(
    url: string,
    body: { language: string; cwd?: string },
    headers: Record<string, string> = {},
  ): Promise<CodeSession> {
    const response = await fetch(`${url}/contexts`, {
      method: "POST",
      headers: { "Content-Type": "application/json", ...headers },
      body: JSON.stringify(body),
    });
    if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`);
    return new CodeSession(url, ((await response.json()) as { id: string }).id, headers);
  }

  run(code: string, more: object = {}): Promise<CellLine[]> {
    return execute(this.#url, { context_id: this.id, code, ...more }, this.#headers);
  }

  /** The stream of a cell that says `up` when it has begun, from there on. */
  async openUp(code: string, more: object = {}): Promise<CellStream> {
    const stream = await CellStream.open(this.#url, { context_id: this.id, code, ...more }, this.#headers);
    await stream.until(({ type }) => type === "stdout");
    return stream;
  }

  /** What came of interrupting it. */
  async interrupt(query = ""): Promise<Record<string, unknown>> {
    const response = await fetch(`${this.#url}/v1/contexts/${this.id}/interrupt${query}`, {
      method: "POST",
      headers: this.#headers,
    });
    return (await response.json()) as Record<string, unknown>;
  }

  /** The text of the result. Throws what the cell did. */
  async value(code: string): Promise<string> {
    const lines = await this.run(code);
    const [error] = errorsOf(lines);
    if (error) throw new Error(`${error.name}: ${error.value}`);
    return resultOf(lines) ?? textOf(lines);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await fetch(`${this.#url}/contexts/${this.id}`, { method: "DELETE", headers: this.#headers });
  }
}

/** A field of /proc/pid/status. */
export function statusOf(pid: number, field: string): string {
  const status = readFileSync(`/proc/${pid}/status`, "latin1");
  return new RegExp(`^${field}:\\s*(.*)$`, "m").exec(status)?.[1] ?? "";
}

/** Descendants of `pid` whose command line has `word` in it. */
export function descendantsWith(pid: number, word: string): number[] {
  return descendantsOf(pid).filter((child) => commandLine(child).includes(word));
}

/** The shim that watches `kernel`, and what forked that. */
export function parentsOf(kernel: number): { shim: number; server: number } {
  const shim = Number(statusOf(kernel, "PPid"));
  return { shim, server: Number(statusOf(shim, "PPid")) };
}

function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "latin1").replaceAll("\0", " ");
  } catch {
    return ""; // it has ended
  }
}
