import { randomFillSync } from "node:crypto";
import type { Interrupts } from "./interrupts.ts";

/**
 * This machine may be a copy of another one: gives `node:crypto` new seeds, and `Math.random`, whose own cannot be set
 * once V8 has begun, another generator with them (xoshiro128**).
 */
export function reseed(entropy: string, interrupts: Interrupts): void {
  interrupts.reseed(Buffer.from(entropy, "hex"));
  const state = randomFillSync(new Uint32Array(4));
  Math.random = function random() {
    return (next(state) * 2 ** 21 + (next(state) >>> 11)) / 2 ** 53;
  };
}

/** 32 bits more. */
function next(state: Uint32Array): number {
  const [a = 0, b = 0, c = 0, d = 0] = state;
  const number = Math.imul(rotate(Math.imul(b, 5), 7), 9) >>> 0;
  state[0] = a ^ d ^ b;
  state[1] = b ^ c ^ a;
  state[2] = c ^ a ^ (b << 9);
  state[3] = rotate(d ^ b, 11);
  return number;
}

function rotate(bits: number, by: number): number {
  return (bits << by) | (bits >>> (32 - by));
}
