import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { WebSocket } from "ws";
import type { CodeSession } from "./code-place.ts";

interface Message {
  msg_type: string;
  parent_header: { msg_id?: string };
  content: Record<string, unknown>;
}

const MAX_MESSAGE_BYTES = 64 * 1024 * 1024;

/** A kernel of the Jupyter server on `port`, driven as its own front ends do: REST, then a WebSocket. */
export async function openJupyterSession(port: number): Promise<CodeSession> {
  const url = `http://127.0.0.1:${port}/api/kernels`;
  const response = await fetch(url, { method: "POST", body: JSON.stringify({ name: "python3" }) });
  if (!response.ok) throw new Error(`no kernel: ${response.status} ${await response.text()}`);
  const { id } = (await response.json()) as { id: string };
  const session = randomUUID();
  const address = `ws://127.0.0.1:${port}/api/kernels/${id}/channels?session_id=${session}`;
  const socket = new WebSocket(address, { maxPayload: MAX_MESSAGE_BYTES, perMessageDeflate: false });
  await once(socket, "open");
  return {
    run: (code) => runCell(socket, session, code),
    async [Symbol.asyncDispose]() {
      socket.terminate();
      await fetch(`${url}/${id}`, { method: "DELETE" });
    },
  };
}

/** A cell is over when the kernel has answered and is idle, which come in any order. */
async function runCell(socket: WebSocket, session: string, code: string): Promise<string> {
  const request = executeRequest(session, code);
  const id = request.header.msg_id;
  const { promise, resolve, reject } = Promise.withResolvers<string>();
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
  const onClose = (): void => reject(new Error("the Jupyter server closed the connection"));
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
