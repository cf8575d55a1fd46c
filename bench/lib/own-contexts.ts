import { setTimeout as pause } from "node:timers/promises";
import { type BuiltDaemon, type BuiltDaemonOptions, startBuiltDaemon } from "./built-daemon.ts";
import type { CodePlace, CodeSession } from "./code-place.ts";
import { Connection } from "./connection.ts";

/** guestd with its kernels. */
export interface OwnContexts extends CodePlace {
  readonly daemon: BuiltDaemon;
  /** The default context of a language. */
  default(language: string): Promise<CodeSession>;
  /** Languages that work on this machine. */
  languages(): Promise<string[]>;
}

const LOOK_MS = 2;
const READY_MS = 60_000;

/** Starts guestd and resolves when its default contexts are there. */
export async function startOwnContexts(options: Omit<BuiltDaemonOptions, "hasKernels"> = {}): Promise<OwnContexts> {
  const daemon = await startBuiltDaemon({ ...options, hasKernels: true });
  const connection = await Connection.open(daemon.port);
  const deadline = performance.now() + READY_MS;
  const isReady = async (): Promise<boolean> => {
    const { status } = await connection.request("GET", "/health", { headers: { "E2b-Sandbox-Port": "49999" } });
    return status < 300;
  };
  while (!(await isReady())) {
    if (performance.now() > deadline) throw new Error("the default contexts are not ready");
    await pause(LOOK_MS);
  }
  return {
    daemon,
    pid: daemon.pid,
    open: (language = "python") => openContext(daemon.port, language),
    default: async (language) => session(await Connection.open(daemon.port), { language }),
    languages: () => workingLanguages(connection),
    async [Symbol.asyncDispose]() {
      connection[Symbol.dispose]();
      await daemon[Symbol.asyncDispose]();
    },
  };
}

async function openContext(port: number, language: string): Promise<CodeSession> {
  const connection = await Connection.open(port);
  const { status, body } = await connection.call("/contexts", Buffer.from(JSON.stringify({ language })));
  if (status !== 200) throw new Error(`no context: ${status} ${body.toString("utf8")}`);
  return session(connection, { context_id: (JSON.parse(body.toString("utf8")) as { id: string }).id });
}

function session(connection: Connection, selector: { language: string } | { context_id: string }): CodeSession {
  return {
    async run(code) {
      const { status, body } = await connection.call("/execute", Buffer.from(JSON.stringify({ ...selector, code })));
      const text = body.toString("utf8");
      if (status !== 200 || text.includes('{"type":"error"')) throw new Error(`${status} ${text.slice(0, 500)}`);
      return text;
    },
    async [Symbol.asyncDispose]() {
      if ("context_id" in selector) await connection.request("DELETE", `/contexts/${selector.context_id}`);
      connection[Symbol.dispose]();
    },
  };
}

async function workingLanguages(connection: Connection): Promise<string[]> {
  const { body } = await connection.request("GET", "/v1/info");
  const { kernels } = JSON.parse(body.toString("utf8")) as { kernels: Record<string, { available: boolean }> };
  return Object.keys(kernels).filter((language) => kernels[language]?.available);
}
