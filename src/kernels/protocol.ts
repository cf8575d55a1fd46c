import { checkEnvironment } from "../host/env.ts";
import { parseExactly } from "../lib/exact-json.ts";
import type { CellEvent, CellStatus, Environment, KernelIdentity } from "./types.ts";

/** A variable of a kernel: a value, or undefined to take it away. */
export type EnvironmentChange = Readonly<Record<string, string | undefined>>;

/** Events of the kernel protocol, as far as they concern the daemon; `kernels/PROTOCOL.md` §4. */
export type KernelMessage = { barrier: number } & (
  | ({ type: "ready"; isLoading: boolean } & KernelIdentity)
  | { type: "adopted"; id: string; error: string | undefined; isStale: boolean }
  | { type: "forked"; id: string; shimPid: number }
  | { type: "loaded" }
  | { type: "refused"; id: string; why: string }
  | { type: "cell"; id: string; event: CellEvent }
  | { type: "end"; id: string; status: CellStatus }
);

export function helloRequest(nonce: string): Buffer {
  return request("hello", "0", Buffer.from(nonce), Buffer.alloc(0));
}

/** A cell with its own variables. @throws SandboxError invalid_argument for variables that cannot be */
export function executeRequest(id: string, code: string, envs: Environment): Buffer {
  checkEnvironment(envs);
  return request("execute", id, Buffer.from(code), encodeChange(envs));
}

/** A working directory (empty: as it is) and variables from now on. */
export function adoptRequest(id: string, cwd: string, change: EnvironmentChange): Buffer {
  return request("adopt", id, Buffer.from(cwd), encodeChange(change));
}

/** Other random numbers from now on, of which `entropy` (hexadecimal) is a part. Has no answer. */
export function reseedRequest(entropy: string): Buffer {
  return request("reseed", "0", Buffer.from(entropy), Buffer.alloc(0));
}

/** A fork server's first request: the program that becomes the parent of each kernel, and what to load ahead of time. */
export function forkHelloRequest(shimPath: string, modules: readonly string[]): Buffer {
  return request("hello", "0", Buffer.from(shimPath), Buffer.from(modules.map((name) => `${name}\0`).join("")));
}

/** Another kernel, on the pipes in `folder` and with these variables alone. */
export function forkRequest(id: string, folder: string, env: Environment): Buffer {
  return request("fork", id, Buffer.from(folder), encodeChange(env));
}

function request(op: string, id: string, first: Buffer, second: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${op} ${id} ${first.length} ${second.length}\n`), first, second]);
}

function encodeChange(change: EnvironmentChange): Buffer {
  const entries = Object.entries(change).map(([name, value]) =>
    value === undefined ? `${name}\0` : `${name}=${value}\0`,
  );
  return Buffer.from(entries.join(""));
}

/** One line of the event pipe; undefined for what we do not know: a newer driver's event, or user code that found the pipe. */
export function parseMessage(line: string): KernelMessage | undefined {
  const message = parseObject(line);
  if (!message) return undefined;
  const barrier = typeof message["b"] === "number" ? message["b"] : 0;
  const id = text(message["id"]);
  switch (message["ev"]) {
    case "ready":
      return {
        barrier,
        type: "ready",
        engine: text(message["engine"]),
        version: text(message["version"]),
        isLoading: message["loading"] === true,
      };
    case "loaded":
      return { barrier, type: "loaded" };
    case "adopted":
      return {
        barrier,
        type: "adopted",
        id,
        error: typeof message["error"] === "string" ? message["error"] : undefined,
        isStale: message["stale"] === true,
      };
    case "forked":
      return { barrier, type: "forked", id, shimPid: Number(message["pid"]) };
    case "refused":
      return { barrier, type: "refused", id, why: text(message["why"]) };
    case "start":
      return { barrier, type: "cell", id, event: { type: "start", count: Number(message["count"]) } };
    case "result":
      return { barrier, type: "cell", id, event: resultEvent(message) };
    case "error": {
      const { name, value, traceback } = message;
      return {
        barrier,
        type: "cell",
        id,
        event: { type: "error", name: text(name), value: text(value), traceback: text(traceback) },
      };
    }
    case "end":
      return { barrier, type: "end", id, status: statusOf(message["status"]) };
    default:
      return undefined;
  }
}

function parseObject(line: string): Record<string, unknown> | undefined {
  try {
    const value = parseExactly(line);
    return typeof value === "object" && value !== null ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

function resultEvent(message: Record<string, unknown>): CellEvent {
  const data = typeof message["data"] === "object" && message["data"] !== null ? { ...message["data"] } : {};
  return { type: "result", isMain: message["main"] === true, data };
}

function statusOf(value: unknown): CellStatus {
  return value === "error" || value === "interrupted" ? value : "ok";
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}
