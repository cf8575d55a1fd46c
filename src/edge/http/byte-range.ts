/** Bytes `start` to `end` of something, `end` not included. */
export interface ByteRange {
  start: number;
  end: number;
}

/** Who asks for more parts than this does not mean it. */
const MAX_RANGES = 100;

/**
 * The ranges that a `Range` header asks of `sizeBytes` bytes, in its order; those that are not there are left out. Undefined for what
 * may be ignored (RFC 9110 §14.2): other units, nonsense, any range of nothing, and ranges that overlap or are very many.
 */
export function readRanges(header: string | undefined, sizeBytes: number): ByteRange[] | "unsatisfiable" | undefined {
  const [, list] = /^\s*bytes\s*=(.*)$/i.exec(header ?? "") ?? [];
  const specs = list?.split(",").filter((spec) => spec.trim() !== "") ?? [];
  if (sizeBytes === 0 || specs.length === 0 || specs.length > MAX_RANGES) return undefined;
  const ranges = specs.map((spec) => readRange(spec, sizeBytes));
  if (ranges.includes(undefined)) return undefined;
  const there = ranges.filter((range) => typeof range === "object");
  if (there.length === 0) return "unsatisfiable";
  return doOverlap(there) ? undefined : there;
}

function readRange(spec: string, sizeBytes: number): ByteRange | "unsatisfiable" | undefined {
  const [, first = "", last = ""] = /^(\d*)\s*-\s*(\d*)$/.exec(spec.trim()) ?? [];
  if (first === "" && last === "") return undefined;
  if (first === "") {
    const length = Math.min(Number(last), sizeBytes);
    return length === 0 ? "unsatisfiable" : { start: sizeBytes - length, end: sizeBytes };
  }
  const start = Number(first);
  if (last !== "" && Number(last) < start) return undefined;
  if (start >= sizeBytes) return "unsatisfiable";
  return { start, end: last === "" ? sizeBytes : Math.min(Number(last) + 1, sizeBytes) };
}

function doOverlap(ranges: readonly ByteRange[]): boolean {
  const inOrder = ranges.toSorted((a, b) => a.start - b.start);
  return inOrder.some(({ start }, index) => start < (inOrder[index - 1]?.end ?? 0));
}
