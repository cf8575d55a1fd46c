import type { JsonValue } from "@bufbuild/protobuf";
import type { Random } from "../random.ts";

type Json = JsonValue | undefined;

/** Values that are of the wrong type nearly everywhere, or at the edge of the right one. */
const ODD_JSON: readonly JsonValue[] = [
  null,
  true,
  0,
  -1,
  1.5,
  1e308,
  4_294_967_296,
  2 ** 53,
  "",
  "18446744073709551616",
  "NaN",
  "a=b",
  "=====",
  "aGk",
  "aGk_-",
  "\u0000",
  "\ud800",
  [],
  {},
  [[]],
  [null],
  { "": "" },
  { pid: 1 },
  { selector: { pid: 1 } },
  { constructor: { prototype: 1 } },
];
/** Numbers as text, which JSON.stringify would never write. */
const ODD_TEXT = [
  "1e400",
  "-0",
  "01",
  "1e-7",
  "NaN",
  "0x10",
  "1".repeat(400),
  "'a'",
  "undefined",
  "",
  "\\u0000",
  "//",
  "\u00a0",
];
const NAMES = [
  "process",
  "pid",
  "tag",
  "input",
  "stdin",
  "pty",
  "size",
  "event",
  "resume_from",
  "resumeFrom",
  "__proto__",
  "?",
];

/** Another JSON tree: some value in it is of another type, missing, doubled or under another name. */
export function mutateJson(value: JsonValue, random: Random): JsonValue {
  if (Array.isArray(value) && value.length > 0 && random.chance(0.7)) {
    const index = random.below(value.length);
    return value.map((item, at) => (at === index ? mutateJson(item, random) : item));
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return random.pick(ODD_JSON);
  const names = Object.keys(value);
  const name = names.length > 0 ? random.pick(names) : "process";
  const member: Json = Object.hasOwn(value, name) ? value[name] : undefined;
  const others = names.filter((other) => other !== name).map((other) => [other, value[other]] as const);
  const change = random.below(10);
  if (change < 6 && member !== undefined) return ofEntries([...others, [name, mutateJson(member, random)]]);
  if (change === 6) return ofEntries(others);
  if (change === 7) return ofEntries([...others, [name, member ?? null], [random.pick(NAMES), random.pick(ODD_JSON)]]);
  if (change === 8) return ofEntries([...others, [random.pick(NAMES), member ?? {}]]);
  return random.pick(ODD_JSON);
}

/** Own members, also one that is called `__proto__`. */
function ofEntries(entries: readonly (readonly [string, Json])[]): JsonValue {
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined)) as JsonValue;
}

/** JSON text that is not quite the tree's, or not quite JSON. */
export function mutateJsonText(text: string, random: Random): Buffer {
  const depth = random.pick([10, 100, 101, 1000, 20_000]);
  const changes: (() => string | Buffer)[] = [
    () => text.replace(/-?\d+|"[^"]*"|true|false/, () => random.pick(ODD_TEXT)),
    () => text.replace("{", `{${text.slice(1, text.lastIndexOf("}")) || '"a":1'},`),
    () => `${"[".repeat(depth)}${text}${"]".repeat(depth)}`,
    () => `${'{"process":'.repeat(depth)}{}${"}".repeat(depth)}`,
    () => text.replace("{", `{"unknown":${"[".repeat(depth)}${"]".repeat(depth)}${text.startsWith("{}") ? "" : ","}`),
    () => text.slice(0, random.below(text.length + 1)),
    () => `${text}${random.pick([text, ",", "}", " ", "\0", "null"])}`,
    () => `${random.pick(["\ufeff", " \t\r\n", "\0", "/**/", ")]}'"])}${text}`,
    () => Buffer.from(text, "utf16le"),
    () => mutateBytes(Buffer.from(text), random),
  ];
  return Buffer.from(random.pick(changes)() as string);
}

/** Protobuf bytes with fields that lie: other numbers and types, lengths beyond the end, groups, endless varints. */
export function mutateBinary(bytes: Buffer, random: Random): Buffer {
  const tag = Buffer.from([(random.pick([1, 2, 3, 4, 5, 15]) << 3) | random.below(8)]);
  const odd = [
    Buffer.from("ffffffffffffffffff01", "hex"),
    Buffer.from("ffffffffffffffffffff01", "hex"),
    Buffer.from("ffffffff0f", "hex"),
    Buffer.from("80808080808080808000", "hex"),
    Buffer.from("05616263", "hex"),
    Buffer.from("02c328", "hex"),
    Buffer.from([0x0b, 0x0b, 0x0b]),
    Buffer.alloc(random.pick([10, 1000, 20_000]), 0x0b),
    Buffer.from([0]),
    Buffer.alloc(0),
  ];
  const field = Buffer.concat([tag, random.pick(odd)]);
  const at = random.pick([0, bytes.length, random.below(bytes.length + 1)]);
  return Buffer.concat([bytes.subarray(0, at), field, bytes.subarray(at)]);
}

/** Flips, cuts, doubles, removes and splices. */
export function mutateBytes(bytes: Buffer, random: Random): Buffer {
  let result = Buffer.from(bytes);
  for (let count = 1 + random.below(3); count > 0; count -= 1) {
    const at = random.below(result.length + 1);
    const to = at + random.below(Math.min(64, result.length - at) + 1);
    const [before, middle, after] = [result.subarray(0, at), result.subarray(at, to), result.subarray(to)];
    const change = random.below(6);
    if (change === 0 && at < result.length) result[at] = (result[at] ?? 0) ^ (1 << random.below(8));
    else if (change === 1) result = Buffer.concat([before]);
    else if (change === 2) result = Buffer.concat([before, middle, middle, after]);
    else if (change === 3) result = Buffer.concat([before, after]);
    else if (change === 4) result = Buffer.concat([before, random.bytes(random.below(8)), after]);
    else result = Buffer.concat([before, Buffer.from([random.pick([0, 0x7f, 0x80, 0xff])]), after]);
  }
  return result;
}
