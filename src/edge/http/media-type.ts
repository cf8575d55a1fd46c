import { isUtf8 } from "node:buffer";

const TEXT = "text/plain; charset=utf-8";
const BINARY = "application/octet-stream";
/** Looked at to tell text from anything else. */
const SNIFFED_BYTES = 512;

/** Types of the names that files in sandboxes commonly have. */
const TYPE_BY_EXTENSION: Readonly<Record<string, string>> = {
  avif: "image/avif",
  bmp: "image/bmp",
  css: "text/css; charset=utf-8",
  csv: "text/csv; charset=utf-8",
  gif: "image/gif",
  gz: "application/gzip",
  htm: "text/html; charset=utf-8",
  html: "text/html; charset=utf-8",
  ico: "image/x-icon",
  ipynb: "application/json",
  jpeg: "image/jpeg",
  jpg: "image/jpeg",
  js: "text/javascript; charset=utf-8",
  json: "application/json",
  jsonl: "application/jsonl",
  log: TEXT,
  md: "text/markdown; charset=utf-8",
  mjs: "text/javascript; charset=utf-8",
  mp3: "audio/mpeg",
  mp4: "video/mp4",
  parquet: "application/vnd.apache.parquet",
  pdf: "application/pdf",
  png: "image/png",
  py: "text/x-python; charset=utf-8",
  sh: "text/x-sh; charset=utf-8",
  svg: "image/svg+xml",
  tar: "application/x-tar",
  ts: "text/typescript; charset=utf-8",
  tsv: "text/tab-separated-values; charset=utf-8",
  txt: TEXT,
  wasm: "application/wasm",
  wav: "audio/wav",
  webm: "video/webm",
  webp: "image/webp",
  xml: "text/xml; charset=utf-8",
  yaml: "application/yaml",
  yml: "application/yaml",
  zip: "application/zip",
};

const COMPRESSIBLE = /^(text\/|application\/(json|jsonl|yaml|wasm|x-tar)|image\/(svg\+xml|bmp|x-icon))/;

/** Media type by the extension of a file's name, else by its first bytes: text or anything. */
export function mediaType(name: string, head: Buffer): string {
  const dot = name.lastIndexOf(".");
  const extension = dot < 0 ? "" : name.slice(dot + 1).toLowerCase();
  if (Object.hasOwn(TYPE_BY_EXTENSION, extension)) return TYPE_BY_EXTENSION[extension] ?? BINARY;
  return isText(head.subarray(0, SNIFFED_BYTES)) ? TEXT : BINARY;
}

/** Whether compressing content of this type is worth the time. */
export function isCompressible(type: string): boolean {
  return COMPRESSIBLE.test(type);
}

/** UTF-8 (its last character may be cut off) without control characters but those of text. */
function isText(bytes: Buffer): boolean {
  if (bytes.some((byte) => byte < 0x20 && !(byte >= 0x09 && byte <= 0x0d) && byte !== 0x1b)) return false;
  if (bytes.length < SNIFFED_BYTES) return isUtf8(bytes);
  return [0, 1, 2, 3].some((cut) => isUtf8(bytes.subarray(0, bytes.length - cut)));
}
