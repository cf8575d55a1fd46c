/** What a call asks for. */
export interface CallRequest {
  id: string;
  args: readonly string[];
}

/** More than the kernel passes to a program: nobody but ours sends so much. */
const MAX_BYTES = 4 * 1024 * 1024;
/** More than any id, number and NULs have. */
const MAX_HEAD_BYTES = 64;
const NUL = 0;

/**
 * Puts the request of one call together: the id, the number of arguments and the arguments, a NUL after each. Everybody may send
 * one, so nothing is kept for who does not know an id, and no byte is looked at twice.
 */
export class RequestReader {
  readonly #isKnown: (id: string) => boolean;
  #head: Buffer = Buffer.alloc(0);
  #request: { id: string; count: number } | undefined;
  readonly #chunks: Buffer[] = [];
  #bytes = 0;
  #ends = 0;

  constructor(isKnown: (id: string) => boolean) {
    this.#isKnown = isKnown;
  }

  /** The request once it is complete, undefined before that, null when it can be none. */
  push(bytes: Buffer): CallRequest | null | undefined {
    if (this.#request) return this.#pushArguments(this.#request, bytes);
    const missing = MAX_HEAD_BYTES - this.#head.length;
    const held = Buffer.concat([this.#head, bytes.subarray(0, missing)]);
    const idEnd = held.indexOf(NUL);
    if (idEnd < 0) return this.#keepHead(held);
    const id = held.toString("utf8", 0, idEnd);
    if (!this.#isKnown(id)) return null;
    const countEnd = held.indexOf(NUL, idEnd + 1);
    if (countEnd < 0) return this.#keepHead(held);
    const count = held.toString("utf8", idEnd + 1, countEnd);
    if (!/^\d+$/.test(count)) return null;
    this.#request = { id, count: Number(count) };
    return this.#pushArguments(this.#request, bytes.subarray(countEnd + 1 - this.#head.length));
  }

  #keepHead(held: Buffer): null | undefined {
    if (held.length >= MAX_HEAD_BYTES) return null;
    this.#head = held;
    return undefined;
  }

  #pushArguments({ id, count }: { id: string; count: number }, bytes: Buffer): CallRequest | null | undefined {
    this.#bytes += bytes.length;
    if (this.#bytes > MAX_BYTES) return null;
    this.#chunks.push(bytes);
    for (let end = bytes.indexOf(NUL); end >= 0; end = bytes.indexOf(NUL, end + 1)) this.#ends += 1;
    if (this.#ends < count) return undefined;
    const args = Buffer.concat(this.#chunks).toString("utf8").split("\0");
    // What stands behind the last NUL is nothing, or it is no request.
    return args.pop() === "" && args.length === count ? { id, args } : null;
  }
}
