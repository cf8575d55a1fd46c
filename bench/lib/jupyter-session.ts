import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { WebSocket } from "ws";
import type { CodeSession } from "./code-place.ts";

interface Message {
  msg_type: string;
  parent_header: { msg_id?: string };
  content: Record<string, unknown>;
}

type Request = ReturnType<typeof executeRequest>;

const MAX_MESSAGE_BYTES = 64 * 1024 * 1024;
const ATTEMPTS = 3;

/** A kernel of the Jupyter server on `port`, driven as its own front ends do: REST, then a WebSocket. */
export async function openJupyterSession(port: number): Promise<CodeSession> {
  const url = `http://127.0.0.1:${port}/api/kernels`;
  const response = await fetch(url, { method: "POST", body: JSON.stringify({ name: "python3" }) });
  if (!response.ok) throw new Error(`no kernel: ${response.status} ${await response.text()}`);
  const { id } = (await response.json()) as { id: string };
  const session = randomUUID();
  const address = `ws://127.0.0.1:${port}/api/kernels/${id}/channels?session_id=${session}`;
  let socket = await connect(address);
  return {
    async run(code) {
      const request = executeRequest(session, code);
      for (let attempt = 1; ; attempt += 1) {
        if (socket.readyState !== WebSocket.OPEN) socket = await connect(address);
        const answer = await runCell(socket, request);
        if (answer !== undefined) return answer;
        if (attempt === ATTEMPTS) throw new Error(`the Jupyter server closed ${ATTEMPTS} connections to one kernel`);
        console.error("guestd: the Jupyter server closed a connection before it took a cell: connecting again");
      }
    },
    async [Symbol.asyncDispose]() {
      socket.terminate();
      await fetch(`${url}/${id}`, { method: "DELETE" });
    },
  };
}

async function connect(address: string): Promise<WebSocket> {
  const socket = new WebSocket(address, { maxPayload: MAX_MESSAGE_BYTES, perMessageDeflate: false });
  await once(socket, "open");
  // Its close follows.
  socket.on("error", () => undefined);
  return socket;
}

/**
 * A cell is over when the kernel has answered and is idle, which come in any order. Resolves with undefined when the connection was
 * closed and nothing had been heard of the cell: the server takes no cell from a connection whose kernel it gave up waiting for.
 */
async function runCell(socket: WebSocket, request: Request): Promise<string | undefined> {
  const id = request.header.msg_id;
  const { promise, resolve, reject } = Promise.withResolvers<string | undefined>();
  const said: string[] = [];
  const left = new Set(["execute_reply", "idle"]);
  const onMessage = (bytes: Buffer): void => {
    const text = bytes.toString("utf8");
    const { msg_type: type, parent_header: parent, content } = JSON.parse(text) as Message;
    if (parent.msg_id !== id) return;
    said.push(text);
    left.delete(type);
    if (type === "status" && content["execution_state"] === "idle") left.delete("idle");
    if (type === "error") reject(new Error(`${String(content["ename"])}: ${String(content["evalue"])}`));
    if (left.size === 0) resolve(said.join("\n"));
  };
  const onClose = (code: number): void => {
    if (said.length === 0) resolve(undefined);
    else reject(new Error(`the Jupyter server closed the connection in the middle of a cell (${code})`));
  };
  socket.on("message", onMessage).on("close", onClose);
  try {
    socket.send(JSON.stringify(request));
    return await promise;
  } finally {
    socket.off("message", onMessage).off("close", onClose);
  }
}

function executeRequest(session: string, code: string) {
  const header = {
    msg_id: randomUUID(),
    username: "bench",
    session,
    date: new Date().toISOString(),
    msg_type: "execute_request",
    version: "5.3",
  };
  const content = { code, silent: false, store_history: true, user_expressions: {}, allow_stdin: false };
  return { header, parent_header: {}, metadata: {}, content, channel: "shell", buffers: [] };
}
