const NAME = /^[!#$%&'*+\-.^_`|~\dA-Za-z]+$/;
/** Of HTTP: other characters that JavaScript takes for spaces are part of a value. */
const SPACES = "\t\n\r ";
// oxlint-disable-next-line no-control-regex -- these are what may not be in a value
const FORBIDDEN = /[\0\r\n]|[^\0-\xff]/;
const COOKIES = "set-cookie";

/** `Headers` of the fetch standard, for a server: nothing in it is out of bounds. */
export class PlainHeaders {
  readonly #values = new Map<string, string>();
  readonly #cookies: string[] = [];

  /** @throws TypeError when a name or value is none */
  constructor(init?: Iterable<readonly string[]> | Record<string, string>) {
    if (init === undefined) return;
    const pairs = Symbol.iterator in init ? init : Object.entries(init);
    for (const [name = "", value = ""] of pairs) this.append(name, value);
  }

  append(name: string, value: string): void {
    const key = keyOf(name);
    const text = checked(value);
    if (key === COOKIES) return void this.#cookies.push(text);
    const before = this.#values.get(key);
    this.#values.set(key, before === undefined ? text : `${before}${key === "cookie" ? "; " : ", "}${text}`);
  }

  set(name: string, value: string): void {
    const key = keyOf(name);
    const text = checked(value);
    if (key === COOKIES) this.#cookies.splice(0, Infinity, text);
    else this.#values.set(key, text);
  }

  delete(name: string): void {
    const key = keyOf(name);
    if (key === COOKIES) this.#cookies.length = 0;
    else this.#values.delete(key);
  }

  get(name: string): string | null {
    const key = keyOf(name);
    if (key === COOKIES) return this.#cookies.length > 0 ? this.#cookies.join(", ") : null;
    return this.#values.get(key) ?? null;
  }

  has(name: string): boolean {
    const key = keyOf(name);
    return key === COOKIES ? this.#cookies.length > 0 : this.#values.has(key);
  }

  getSetCookie(): string[] {
    return [...this.#cookies];
  }

  forEach(callback: (value: string, name: string, parent: PlainHeaders) => void, self?: unknown): void {
    for (const [name, value] of this) callback.call(self, value, name, this);
  }

  /** By name; each cookie for itself. */
  *entries(): Generator<[string, string]> {
    const all = [...this.#values, ...this.#cookies.map((value): [string, string] => [COOKIES, value])];
    yield* all.toSorted(([one], [other]) => (one < other ? -1 : one > other ? 1 : 0));
  }

  *keys(): Generator<string> {
    for (const [name] of this) yield name;
  }

  *values(): Generator<string> {
    for (const [, value] of this) yield value;
  }

  [Symbol.iterator](): Generator<[string, string]> {
    return this.entries();
  }
}

function keyOf(name: string): string {
  if (!NAME.test(name)) throw new TypeError(`${JSON.stringify(name)} is no name of a header`);
  return name.toLowerCase();
}

/** What is sent of a value. */
function checked(value: unknown): string {
  const text = trimmed(String(value));
  if (FORBIDDEN.test(text)) throw new TypeError("a header has a value that cannot be sent");
  return text;
}

/** No pattern does it: at each of the spaces inside a value it would begin anew. */
function trimmed(text: string): string {
  let [start, end] = [0, text.length];
  while (start < end && SPACES.includes(text.charAt(start))) start += 1;
  while (end > start && SPACES.includes(text.charAt(end - 1))) end -= 1;
  return text.slice(start, end);
}
