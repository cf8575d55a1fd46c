import { StreamMerge } from "../../../src/kernels/stream-merge.ts";

export const NONCE = "00ff";
export const marker = (content: number | string): string => `\0\x1b]K;${NONCE};${content}\x07`;

export type TestEvent = { barrier: number; name: string };

/** A merge that writes down what it delivers: `o:` and `e:` for text, `|` for the end of a unit, names for events. */
export function createMerge(): { merge: StreamMerge<TestEvent>; log: string[] } {
  const log: string[] = [];
  const merge = new StreamMerge<TestEvent>({
    nonce: NONCE,
    target: {
      onText: (stream, bytes) => void log.push(`${stream === "stdout" ? "o" : "e"}:${bytes.toString("latin1")}`),
      onUnitEnd: (stream) => void log.push(stream === "stdout" ? "o|" : "e|"),
      onEvent: ({ name }) => void log.push(name),
    },
  });
  return { merge, log };
}

export const event = (barrier: number): TestEvent => ({ barrier, name: `event ${barrier}` });
export const out = (text: string): Buffer => Buffer.from(text, "latin1");
