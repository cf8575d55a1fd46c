import { create, type DescMessage, type DescMethod, type JsonValue, toBinary, toJson } from "@bufbuild/protobuf";
import { Process, Signal } from "../../../src/contracts/gen/process_pb.js";
import type { Random } from "../random.ts";

/** Runs of the fuzzer's that its messages may name. */
export interface Company {
  /** Programs that read their input and print it. */
  readonly live: readonly { pid: number; tag: string }[];
  readonly ended: readonly { pid: number; tag: string }[];
}

type Init = Record<string, unknown>;

/** One RPC, and how its valid messages are made. */
export interface Rpc {
  method: DescMethod;
  /** A request is a list of messages: one, but for StreamInput. */
  messages(random: Random, company: Company): Init[];
}

/** The only programs that messages name. They do nothing, whatever their arguments are. */
export const HARMLESS: readonly string[] = [
  "/bin/true",
  "true",
  "/bin/echo",
  "/no/such/program",
  "no-such",
  "/tmp",
  "/",
];

const TEXTS = ["", "a", "hello world", "ünïcödé ☃ 💩", "x".repeat(300), "\u0000", "../..", "%s%n", "\r\n", '"', "\\"];
const NUMBERS = [0, 1, 24, 80, 255, 256, 65_535, 65_536, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1];
const BIG_NUMBERS = [0n, 1n, 4n, 1000n, 2n ** 31n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n];
const UNKNOWN_PID = 4_000_000;

const maybe = <T>(random: Random, probability: number, value: () => T): T | undefined =>
  random.chance(probability) ? value() : undefined;

function text(random: Random): string {
  return random.chance(0.01) ? "long ".repeat(20_000) : random.pick(TEXTS);
}

function input(random: Random): Init {
  const value = random.chance(0.02) ? random.bytes(40_000) : random.bytes(random.below(40));
  return { input: { case: random.chance(0.85) ? "stdin" : "pty", value } };
}

function selector(random: Random, runs: Company["live"]): Init {
  const { pid, tag } =
    random.chance(0.9) && runs.length > 0 ? random.pick(runs) : { pid: UNKNOWN_PID, tag: text(random) };
  return { selector: random.chance(0.7) ? { case: "pid", value: pid } : { case: "tag", value: tag } };
}

function terminal(random: Random): Init {
  return random.chance(0.9) ? { size: { cols: random.pick(NUMBERS), rows: random.pick(NUMBERS) } } : {};
}

function start(random: Random): Init {
  const names = Array.from({ length: random.below(3) }, () => random.pick(["A", "PATH", "", "A=B", "ü", text(random)]));
  const process = {
    cmd: random.pick(HARMLESS),
    args: Array.from({ length: random.below(4) }, () => text(random)),
    envs: Object.fromEntries(names.map((name) => [name, text(random)])),
    cwd: maybe(random, 0.8, () => random.pick(["/", "/tmp", "", "~", "~root", "/no/such", "/etc/passwd", "a\u0000b"])),
  };
  return {
    process: maybe(random, 0.95, () => process),
    pty: maybe(random, 0.15, () => terminal(random)),
    tag: maybe(random, 0.3, () => text(random)),
    stdin: maybe(random, 0.6, () => random.chance(0.5)),
  };
}

function connect(random: Random, company: Company): Init {
  return {
    process: selector(random, random.chance(0.85) ? company.ended : company.live),
    resumeFrom: maybe(random, 0.5, () => ({
      stdout: random.pick(BIG_NUMBERS),
      stderr: random.pick(BIG_NUMBERS.slice(0, 2)),
      pty: random.pick(BIG_NUMBERS.slice(0, 1)),
    })),
  };
}

function streamInput(random: Random, { live }: Company): Init[] {
  const first: Init = { event: { case: "start", value: { process: selector(random, live) } } };
  const more = Array.from({ length: random.below(4) }, (): Init => {
    if (random.chance(0.2)) return { event: { case: "keepalive", value: {} } };
    if (random.chance(0.1)) return first;
    return { event: { case: "data", value: { input: input(random) } } };
  });
  return random.chance(0.95) ? [first, ...more] : more;
}

const { method } = Process;

export const RPCS: readonly Rpc[] = [
  { method: method.list, messages: () => [{}] },
  { method: method.start, messages: (random) => [start(random)] },
  { method: method.connect, messages: (random, company) => [connect(random, company)] },
  {
    method: method.update,
    messages: (random, { live }) => [
      { process: selector(random, live), pty: maybe(random, 0.8, () => terminal(random)) },
    ],
  },
  { method: method.streamInput, messages: streamInput },
  {
    method: method.sendInput,
    messages: (random, { live }) => [
      { process: selector(random, live), input: maybe(random, 0.95, () => input(random)) },
    ],
  },
  {
    method: method.sendSignal,
    messages: (random, { live, ended }) => [
      {
        process: selector(random, random.chance(0.3) ? live : ended),
        signal: random.pick([Signal.SIGKILL, Signal.SIGTERM, Signal.UNSPECIFIED, 2, -1]),
        descendants: random.chance(0.5),
      },
    ],
  },
  {
    method: method.closeStdin,
    messages: (random, { live, ended }) => [{ process: selector(random, random.chance(0.3) ? live : ended) }],
  },
];

/** Without what is undefined: a message's own fields must not be. */
function defined(init: Init): Init {
  return definedValue(init) as Init;
}

function definedValue(value: unknown): unknown {
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return value;
  if (Array.isArray(value)) return value.map(definedValue);
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  return Object.fromEntries(members.map(([name, member]) => [name, definedValue(member)]));
}

export function asJson(schema: DescMessage, init: Init): JsonValue {
  return toJson(schema, create(schema, defined(init)));
}

export function asBinary(schema: DescMessage, init: Init): Buffer {
  return Buffer.from(toBinary(schema, create(schema, defined(init))));
}
