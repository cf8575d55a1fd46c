import { inspect } from "node:util";
import type { MimeBundle } from "./channel.ts";

const METHODS: readonly (readonly [type: string, ...names: string[]])[] = [
  ["text/html", "_toHtml", "toHtml"],
  ["image/svg+xml", "_toSvg", "toSvg"],
  ["image/png", "_toPng", "toPng"],
  ["image/jpeg", "_toJpeg", "toJpeg"],
  ["text/markdown", "_toMarkdown", "toMarkdown"],
  ["text/latex", "_toLatex", "toLatex"],
];

const SIGNATURES: readonly (readonly [type: string, bytes: Buffer])[] = [
  ["image/png", Buffer.from([0x89, 0x50, 0x4e, 0x47])],
  ["image/jpeg", Buffer.from([0xff, 0xd8, 0xff])],
  ["application/pdf", Buffer.from("%PDF-")],
  ["image/gif", Buffer.from("GIF8")],
];

/** Beyond this, JSON of a value is left out: its text says enough. */
const MAX_JSON_LENGTH = 4_000_000;
const DISPLAY = Symbol.for("Jupyter.display");

/** What `console.log` would print of `value`, with longer lists. */
export function inspectValue(value: unknown): string {
  try {
    return inspect(value, { maxArrayLength: 1000, maxStringLength: 1_000_000 });
  } catch (error) {
    return `[${typeof value} that cannot be inspected: ${String(error)}]`;
  }
}

/**
 * What clients are shown of `value`: what it makes of itself by its methods, and its text.
 * A promise only when one of those methods is asynchronous, so that displays keep their order.
 */
export function describe(value: unknown): MimeBundle | Promise<MimeBundle> {
  if (value === null || (typeof value !== "object" && typeof value !== "function")) return complete({}, value);
  const data: MimeBundle = {};
  const waiting: Promise<void>[] = [];
  const add = (what: unknown, store: (made: unknown) => void): void => {
    if (what instanceof Promise) waiting.push(what.then(store));
    else store(what);
  };
  const merge = (made: unknown): void => void Object.assign(data, made);
  for (const name of [DISPLAY, "_toMime"]) {
    const method = methodOf(value, name);
    if (method) add(method.call(value), merge);
  }
  for (const [type, ...names] of METHODS) {
    const method = names.map((name) => methodOf(value, name)).find((found) => found !== undefined);
    if (method) add(method.call(value), (made) => void (made === undefined || made === null || (data[type] = made)));
  }
  Object.assign(data, imageOf(value), jsonOf(value));
  if (waiting.length > 0) return Promise.all(waiting).then(() => complete(data, value));
  return complete(data, value);
}

/** Bytes as base64, everything else as it is. */
export function encodeBundle(bundle: object): MimeBundle {
  return Object.fromEntries(
    Object.entries(bundle).map(([type, item]) => [
      type,
      item instanceof Uint8Array ? Buffer.from(item).toString("base64") : item,
    ]),
  );
}

function complete(data: MimeBundle, value: unknown): MimeBundle {
  return encodeBundle({ "text/plain": inspectValue(value), ...data });
}

function methodOf(value: object, name: string | symbol): ((this: object) => unknown) | undefined {
  const method: unknown = Reflect.get(value, name);
  return typeof method === "function" ? (method as (this: object) => unknown) : undefined;
}

function imageOf(value: object): MimeBundle {
  if (!(value instanceof Uint8Array)) return {};
  const found = SIGNATURES.find(([, bytes]) => bytes.equals(value.subarray(0, bytes.byteLength)));
  return found ? { [found[0]]: value } : {};
}

/** Plain objects and arrays as JSON, unless JSON would say something else or is refused. */
function jsonOf(value: object): MimeBundle {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (!Array.isArray(value) && prototype !== Object.prototype && prototype !== null) return {};
  try {
    const text = JSON.stringify(value);
    if (text === undefined || text.length > MAX_JSON_LENGTH) return {};
    if (text === "{}" && Reflect.ownKeys(value).length > 0) return {}; // only functions in it
    return { "application/json": JSON.parse(text) as unknown };
  } catch {
    return {}; // cycles and bigints have no JSON; the text is there
  }
}
