import { setImmediate as othersTurn } from "node:timers/promises";
import { create, type DescMethod, fromBinary, fromJsonString, toBinary, toJsonString } from "@bufbuild/protobuf";
import { Filesystem } from "./gen/filesystem_pb.js";
import { Process } from "./gen/process_pb.js";

/** One of each file: it makes the descriptors of all in there, and what reads and writes messages is the same for all. */
const PRIMED: readonly (() => DescMethod)[] = [() => Process.method.start, () => Filesystem.method.stat];

/** Makes what the first message of an RPC would wait for, in small steps: whoever asks meanwhile has his turn between them. */
export async function primeMessages(signal: AbortSignal): Promise<void> {
  for (const describe of PRIMED) {
    await othersTurn();
    if (signal.aborted) return;
    const { input, output } = describe();
    await othersTurn();
    fromBinary(input, toBinary(input, create(input)));
    await othersTurn();
    fromJsonString(output, toJsonString(output, create(output)));
  }
}
