/** Numbers that look random and are the same again for the same seed (mulberry32). */
export class Random {
  readonly seed: number;
  #state: number;

  constructor(seed: number) {
    this.seed = seed >>> 0;
    this.#state = this.seed;
  }

  /** From 0 to 2^32 - 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let bits = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return (bits ^ (bits >>> 14)) >>> 0;
  }

  /** From 0 to `limit` - 1. */
  below(limit: number): number {
    return Math.floor((this.next() / 2 ** 32) * limit);
  }

  chance(probability: number): boolean {
    return this.next() < probability * 2 ** 32;
  }

  pick<T>(list: readonly T[]): T {
    if (list.length === 0) throw new Error("nothing to pick from");
    return list[this.below(list.length)] as T;
  }

  bytes(count: number): Buffer {
    return Buffer.from(Array.from({ length: count }, () => this.next() & 0xff));
  }

  /** Another sequence, decided by this one's seed and `index` alone. */
  fork(index: number): Random {
    const mixed = Math.imul(this.seed ^ Math.imul(index + 1, 0x9e3779b1), 0x85ebca6b);
    return new Random(mixed ^ (mixed >>> 13));
  }
}

/** `GUESTD_SEED`, else one that nobody chose; whoever uses it prints it. */
export function seedOfThisRun(): number {
  const given = process.env["GUESTD_SEED"];
  return given ? Number(given) >>> 0 : Math.floor(Math.random() * 2 ** 32);
}
