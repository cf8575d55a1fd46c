import { once } from "node:events";
import { type IncomingHttpHeaders, type IncomingMessage, request } from "node:http";

/** One line of an `/execute` stream. */
export interface CellLine {
  type: string;
  text?: string;
  execution_count?: number;
  name?: string;
  value?: string;
  [member: string]: unknown;
}

/** The stream of one cell, read line by line on a connection of its own. */
export class CellStream {
  readonly response: IncomingMessage;
  readonly #chunks: AsyncIterator<Buffer>;
  #held: Buffer = Buffer.alloc(0);
  #lines: Buffer[] = [];

  private constructor(response: IncomingMessage) {
    this.response = response;
    response.on("error", () => undefined);
    this.#chunks = response.iterator({ destroyOnReturn: false })[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  }

  /** Resolves when the headers are there. */
  static async open(url: string, body: object, headers: Record<string, string> = {}): Promise<CellStream> {
    const outgoing = request(`${url}/execute`, {
      method: "POST",
      headers: { "Content-Type": "application/json", ...headers },
      agent: false,
    });
    outgoing.end(JSON.stringify(body));
    const [response] = (await once(outgoing, "response")) as [IncomingMessage];
    return new CellStream(response);
  }

  get status(): number {
    return this.response.statusCode ?? 0;
  }

  get headers(): IncomingHttpHeaders {
    return this.response.headers;
  }

  /** The next line as its bytes, without the line feed, or undefined at the end. Throws on a rest without one. */
  async nextBytes(): Promise<Buffer | undefined> {
    while (this.#lines.length === 0) {
      const { done, value } = await this.#chunks.next();
      if (done) {
        if (this.#held.length > 0) throw new Error(`no line feed after ${this.#held.toString("latin1").slice(0, 100)}`);
        return undefined;
      }
      const all = Buffer.concat([this.#held, value]);
      let from = 0;
      for (let end = all.indexOf(10); end >= 0; end = all.indexOf(10, from)) {
        this.#lines.push(all.subarray(from, end));
        from = end + 1;
      }
      this.#held = all.subarray(from);
    }
    return this.#lines.shift();
  }

  async next(): Promise<CellLine | undefined> {
    const bytes = await this.nextBytes();
    return bytes && (JSON.parse(bytes.toString("utf8")) as CellLine);
  }

  /** Lines until `isLast` says so, or all. */
  async until(isLast: (line: CellLine) => boolean = () => false): Promise<CellLine[]> {
    const lines: CellLine[] = [];
    for (let line = await this.next(); line; line = await this.next()) {
      lines.push(line);
      if (isLast(line)) break;
    }
    return lines;
  }

  /** The client goes away. */
  destroy(): void {
    this.response.destroy();
  }
}

/** Runs a cell and gives all its lines. */
export async function execute(url: string, body: object, headers?: Record<string, string>): Promise<CellLine[]> {
  const stream = await CellStream.open(url, body, headers);
  return stream.until();
}

/** All text of one stream. */
export function textOf(lines: readonly CellLine[], type = "stdout"): string {
  return lines
    .filter((line) => line.type === type)
    .map(({ text }) => text ?? "")
    .join("");
}

/** The text of the main result. */
export function resultOf(lines: readonly CellLine[]): string | undefined {
  return lines.find(({ type, is_main_result: isMain }) => type === "result" && isMain)?.text;
}

/** What the lines are, without texts and times. */
export function typesOf(lines: readonly CellLine[]): string[] {
  return lines.map(({ type }) => type);
}

export function errorsOf(lines: readonly CellLine[]): { name: string | undefined; value: string | undefined }[] {
  return lines.filter(({ type }) => type === "error").map(({ name, value }) => ({ name, value }));
}
