import type { MessageInitShape } from "@bufbuild/protobuf";
import { type DataPiece, dataFrames } from "../contracts/data-frames.ts";
import {
  type ConnectRequest,
  Process,
  type PTY,
  type ProcessEventSchema,
  type ProcessInfoSchema,
  type ProcessSelector,
  type SendInputRequest,
  Signal,
  type StartRequest,
  type StreamInputRequest,
} from "../contracts/gen/process_pb.js";
import { decodeSendInput } from "../contracts/input-decoder.ts";
import type { Call } from "../edge/connect/call.ts";
import { type Codec, unmarshalError } from "../edge/connect/codec.ts";
import { lateMethods } from "../edge/connect/methods.ts";
import { clientStreamRoute, serverStreamRoute } from "../edge/connect/stream.ts";
import { unaryRoute } from "../edge/connect/unary.ts";
import type { Route } from "../edge/route.ts";
import { SandboxError } from "../errors.ts";
import { withAbort } from "../lib/abort.ts";
import type { Base64 } from "../lib/base64.ts";
import { Gatherer } from "../lib/gatherer.ts";
import { SpareMemory } from "../lib/spare-memory.ts";
import { endEvent } from "./end-event.ts";
import type { Processes } from "./processes.ts";
import { IN_BULK } from "./run-stream.ts";
import type { LogStart, Run, Selector, TerminalSize } from "./types.ts";

type EventInit = MessageInitShape<typeof ProcessEventSchema>;
/** A message of Start or Connect, which have the same shape, or its envelope. */
type EventItem = { event: EventInit } | Buffer;

/** An exit code of 0 is written out: clients written by hand take its absence for the absence of an end. */
const STREAM = {
  keepalive: { message: { event: { event: { case: "keepalive" as const, value: {} } } } },
  writesDefaults: true,
};
/** Longest piece of output in one message. */
const MAX_CHUNK_BYTES = 64 * 1024;
const DATA_STREAMS = ["stdout", "stderr", "pty"] as const;
type StreamOffsets = Readonly<Record<"stdout" | "stderr" | "pty", number>>;
const NO_OFFSETS: StreamOffsets = { stdout: 0, stderr: 0, pty: 0 };

export interface ProcessRpcDeps {
  processes: Processes;
  /** How bytes become text in JSON, and text bytes. */
  base64: Base64;
}

/** The routes of `process.Process`. */
export function processRpcRoutes(deps: ProcessRpcDeps): Route[] {
  const { processes, base64 } = deps;
  const method = lateMethods("process.Process", () => Process.method);
  return [
    unaryRoute(method.list, () => ({ processes: processes.list().map(processInfo) })),
    serverStreamRoute(method.start, (request, call) => start(deps, request, call), {
      ...STREAM,
      ownsDeadline: true,
    }),
    serverStreamRoute(method.connect, (request, call) => connect(deps, request, call), STREAM),
    unaryRoute(method.update, ({ process, pty }) => {
      const selector = selectorOf(process);
      if (pty) processes.resize(selector, sizeOf(pty));
      else processes.find(selector);
      return {};
    }),
    clientStreamRoute(method.streamInput, (requests, call) => streamInput(processes, requests, call)),
    unaryRoute(
      method.sendInput,
      async ({ process, input }, call) => {
        await sendInput(processes, selectorOf(process), input?.input, call);
        return {};
      },
      {
        decode: (_schema, codec, bytes) => decodeInput(codec, bytes, base64),
        // The program has taken the input when the handler is done.
        memory: new SpareMemory(),
      },
    ),
    unaryRoute(method.sendSignal, async ({ process, signal, descendants }) => {
      const name = ({ [Signal.SIGKILL]: "SIGKILL", [Signal.SIGTERM]: "SIGTERM" } as const)[signal as 9 | 15];
      const selector = selectorOf(process);
      processes.find(selector);
      if (!name)
        throw new SandboxError(
          "unimplemented",
          `invalid signal: ${Signal[signal] ? `SIGNAL_${Signal[signal]}` : signal}`,
        );
      await processes.signal(selector, name, descendants ? "tree" : "group");
      return {};
    }),
    unaryRoute(method.closeStdin, ({ process }) => {
      processes.closeStdin(selectorOf(process));
      return {};
    }),
  ];
}

async function* start(deps: ProcessRpcDeps, request: StartRequest, call: Call): AsyncGenerator<EventItem> {
  const { process: config, stdin, tag, pty } = request;
  const run = await deps.processes.start({
    cmd: config?.cmd ?? "",
    args: config?.args ?? [],
    envs: config?.envs ?? {},
    cwd: config?.cwd,
    user: call.user,
    tag,
    hasStdin: stdin ?? true,
    terminal: pty && sizeOf(pty),
    deadlines: { wallMs: call.timeoutMs },
    signal: call.signal,
  });
  yield* output({ run, call, ...deps }, { position: 0 }, NO_OFFSETS);
  const end = await run.ended;
  // Whoever set the deadline is told that it passed; later subscribers get the end that it led to.
  if (end.ending.type === "timeout") throw new SandboxError("deadline_exceeded", "context deadline exceeded");
  yield event({ case: "end", value: endEvent(end) });
}

/** What nobody has received yet, or what the request asks for, then everything as it comes. */
async function* connect(deps: ProcessRpcDeps, request: ConnectRequest, call: Call): AsyncGenerator<EventItem> {
  const run = deps.processes.findRetained(selectorOf(request.process));
  const { log } = run;
  const { resumeFrom } = request;
  if (resumeFrom) {
    const offsets = {
      stdout: toOffset(resumeFrom.stdout),
      stderr: toOffset(resumeFrom.stderr),
      pty: toOffset(resumeFrom.pty),
    };
    log.checkStart({ offsets });
    yield* output({ run, call, ...deps }, { offsets }, offsets);
  } else {
    using _held = log.hold();
    const { position, offsets } = await log.resumeAt(run.deliveredPosition);
    yield* output({ run, call, ...deps }, { position }, offsets);
  }
  yield event({ case: "end", value: endEvent(await run.ended) });
}

interface Subscription {
  run: Run;
  call: Call;
  base64: Base64;
}

/** The start event, then everything from `from` on as it comes. Aborting ends the subscription, never the process. */
async function* output(subscription: Subscription, from: LogStart, starts: StreamOffsets): AsyncGenerator<EventItem> {
  const { run, call, base64 } = subscription;
  const { stdout, stderr, pty } = starts;
  const offsets = { stdout: BigInt(stdout), stderr: BigInt(stderr), pty: BigInt(pty) };
  yield event({ case: "start", value: { pid: run.pid ?? 0, offsets } });
  const { codec, signal } = call;
  const reading = { from, follow: true, signal, maxChunkBytes: MAX_CHUNK_BYTES, ...IN_BULK };
  const gatherer = new Gatherer();
  for await (const batch of run.log.readBatches({ ...reading, streams: DATA_STREAMS })) {
    yield dataFrames(codec, batch as DataPiece[], base64.write);
    run.markDelivered(batch.at(-1)?.position ?? 0);
    await gatherer.sent(batch.reduce((sum, chunk) => sum + chunk.bytes.length, 0));
  }
}

/** As the reference takes it: 16 bits each, and 0 where nothing is given. */
function sizeOf({ size }: PTY): TerminalSize {
  return { cols: (size?.cols ?? 0) & 0xffff, rows: (size?.rows ?? 0) & 0xffff };
}

/** No log is as long as the numbers that this rounds. */
function toOffset(wire: bigint): number {
  return Number(wire);
}

async function streamInput(
  processes: Processes,
  requests: AsyncIterable<StreamInputRequest>,
  call: Call,
): Promise<Record<string, never>> {
  let selector: Selector | undefined;
  for await (const { event: message } of requests) {
    call.signal.throwIfAborted();
    if (message.case === "start") {
      selector = selectorOf(message.value.process);
      processes.find(selector);
    } else if (message.case === "data") {
      if (!selector)
        throw new SandboxError("invalid_argument", "the first message of an input stream must be start, got data");
      await sendInput(processes, selector, message.value.input?.input, call);
    } else if (message.case !== "keepalive") {
      throw new SandboxError("unimplemented", `invalid event type ${String(message.case)}`);
    }
  }
  return {};
}

type Input = NonNullable<SendInputRequest["input"]>["input"];

/** What was queued when the deadline of `call` passes still reaches the program. */
async function sendInput(
  processes: Processes,
  selector: Selector,
  input: Input | undefined,
  call: Call,
): Promise<void> {
  processes.find(selector);
  if (!input?.case) throw new SandboxError("unimplemented", "invalid input type <nil>");
  await withAbort(processes.sendInput(selector, input.case, input.value), call.signal);
}

function decodeInput(codec: Codec, bytes: Buffer, base64: Base64): SendInputRequest {
  if (codec === "json" && bytes.length === 0) throw unmarshalError("zero-length payload is not a valid JSON object");
  try {
    return decodeSendInput(codec, bytes, base64.read);
  } catch (error) {
    throw unmarshalError(error instanceof Error ? error.message : String(error), error);
  }
}

function selectorOf(selector: ProcessSelector | undefined): Selector {
  const picked = selector?.selector;
  if (picked?.case === "pid") return { pid: picked.value };
  if (picked?.case === "tag") return { tag: picked.value };
  throw new SandboxError("unimplemented", "invalid input type *process.ProcessSelector", {
    hint: "name a process by pid or tag",
  });
}

function processInfo(run: Run): MessageInitShape<typeof ProcessInfoSchema> {
  const { cmd, args, envs, cwd, tag } = run.config;
  return {
    pid: run.pid ?? 0,
    config: { cmd, args: [...args], envs: { ...envs }, ...(cwd !== undefined && { cwd }) },
    ...(tag !== undefined && { tag }),
  };
}

function event(value: EventInit["event"]): { event: EventInit } {
  return { event: { event: value } as EventInit };
}
