/** What a call asks for. */
export interface CallRequest {
  id: string;
  args: readonly string[];
}

/** More than the kernel passes to a program: nobody but ours sends so much. */
const MAX_BYTES = 4 * 1024 * 1024;
const NUL = 0;

/** Puts the request of one call together: the id, the number of arguments and the arguments, a NUL after each. */
export class RequestReader {
  #held = Buffer.alloc(0);

  /** The request once it is complete, undefined before that, null when it can be none. */
  push(bytes: Buffer): CallRequest | null | undefined {
    this.#held = Buffer.concat([this.#held, bytes]);
    if (this.#held.length > MAX_BYTES) return null;
    const parts: string[] = [];
    let from = 0;
    for (let end = this.#held.indexOf(NUL); end >= 0; end = this.#held.indexOf(NUL, from)) {
      parts.push(this.#held.toString("utf8", from, end));
      from = end + 1;
    }
    const [id, count, ...args] = parts;
    if (id === undefined || count === undefined || args.length < Number(count)) return undefined;
    return args.length === Number(count) && from === this.#held.length ? { id, args } : null;
  }
}
