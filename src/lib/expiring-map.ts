/**
 * A map bounded by age and count: entries older than `maxAgeMs` are gone, and the oldest goes first when there are too many.
 * No timer: what is too old is dropped when the map is next used.
 */
export class ExpiringMap<K, V> {
  readonly #maxAgeMs: number;
  readonly #maxEntries: number;
  readonly #now: () => number;
  readonly #entries = new Map<K, { value: V; at: number }>();

  constructor(options: { maxAgeMs: number; maxEntries: number; now?: () => number }) {
    this.#maxAgeMs = options.maxAgeMs;
    this.#maxEntries = options.maxEntries;
    this.#now = options.now ?? (() => performance.now());
  }

  get size(): number {
    this.#dropOld();
    return this.#entries.size;
  }

  get(key: K): V | undefined {
    this.#dropOld();
    return this.#entries.get(key)?.value;
  }

  /** Adds or replaces; a replaced entry is as young as a new one. */
  set(key: K, value: V): void {
    this.#dropOld();
    this.#entries.delete(key);
    this.#entries.set(key, { value, at: this.#now() });
    if (this.#entries.size <= this.#maxEntries) return;
    const oldest = this.#entries.keys().next();
    if (!oldest.done) this.#entries.delete(oldest.value);
  }

  delete(key: K): boolean {
    return this.#entries.delete(key);
  }

  #dropOld(): void {
    const limit = this.#now() - this.#maxAgeMs;
    for (const [key, entry] of this.#entries) {
      if (entry.at > limit) return;
      this.#entries.delete(key);
    }
  }
}
