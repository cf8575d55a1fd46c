import * as v from "valibot";
import * as contract from "../contracts/pty.ts";
import { issueText } from "../edge/issue-text.ts";
import type { EdgeContext } from "../edge/request-context.ts";
import { type Route, route } from "../edge/route.ts";
import { parseJsonBody, parseQuery } from "../edge/validate.ts";
import { acceptSocket, type Peer, type PeerMessage } from "../edge/websocket.ts";
import { SandboxError } from "../errors.ts";
import type { Terminals } from "./terminals.ts";
import { Typing } from "./typing.ts";
import { endView, type LogStart, type Run } from "./types.ts";

const DEFAULT_SIZE = { cols: 80, rows: 24 };
const CLOSE_NORMAL = 1000;
const CLOSE_ERROR = 1011;

/** `/v1/pty` and `/v1/runs/{id}/attach`, WebSockets both, and `/v1/runs/{id}/resize`. */
export function ptyRoutes(terminals: Terminals): Route[] {
  return [
    route("GET /v1/pty", { family: "native", access: "token", doc: OPEN }, async (c) => {
      requireUpgrade(c);
      const { cmd, cols, rows, cwd, user, tag, timeoutMs, idleTimeoutMs } = parseQuery(c, contract.PtyQuery);
      const run = await terminals.open({
        commandLine: cmd,
        size: { cols: cols ?? DEFAULT_SIZE.cols, rows: rows ?? DEFAULT_SIZE.rows },
        cwd,
        user: user ?? c.var.request.user,
        tag,
        deadlines: { ...(timeoutMs && { wallMs: timeoutMs }), ...(idleTimeoutMs && { idleMs: idleTimeoutMs }) },
        signal: c.var.request.signal,
      });
      return attach(c, terminals, run, 0);
    }),
    route("GET /v1/runs/:id/attach", { family: "native", access: "token", doc: ATTACH }, (c) => {
      const { offset } = parseQuery(c, contract.AttachQuery);
      const run = terminals.get(c.req.param("id") ?? "");
      requireUpgrade(c);
      return attach(c, terminals, run, offset);
    }),
    route("POST /v1/runs/:id/resize", { family: "native", access: "token", doc: RESIZE }, async (c) => {
      const run = terminals.get(c.req.param("id") ?? "");
      const size = await parseJsonBody(c, contract.ResizeBody);
      terminals.resize(run, size);
      return c.json(size);
    }),
  ];
}

const FRAMES =
  "binary frames are bytes in both directions, text frames JSON: start, size, error, pong, end from here; resize, signal, eof, ping from there";
const OPEN = {
  summary: `Open a terminal over a WebSocket: ${FRAMES}`,
  tag: "runs",
  query: contract.PtyQuery,
  answers: { 101: { description: "a WebSocket" }, 426: { description: "no upgrade was asked for" } },
};
const ATTACH = {
  summary: `Take part in a run over a WebSocket: ${FRAMES}`,
  tag: "runs",
  query: contract.AttachQuery,
  answers: { 101: { description: "a WebSocket" }, 410: { description: "that part is no longer kept" } },
};
const RESIZE = {
  summary: "Set the size of a run's terminal",
  tag: "runs",
  body: contract.ResizeBody,
  answers: { 200: { description: "done", json: contract.ResizeBody } },
};

function requireUpgrade(c: EdgeContext): void {
  if (c.req.header("upgrade")?.toLowerCase() === "websocket") return;
  c.env.outgoing.setHeader("Upgrade", "websocket");
  throw new SandboxError("failed_precondition", `${c.req.path} is a WebSocket`, {
    reason: "upgrade_required",
    hint: 'connect with a WebSocket client; curl can POST /v1/run with "pty":{"cols":80,"rows":24} instead',
  });
}

/** Refuses before the upgrade what can be refused. */
function attach(c: EdgeContext, terminals: Terminals, run: Run, wanted: number | undefined): Promise<Response> {
  const { from, offset } = terminals.begin(run, wanted);
  return acceptSocket(c, (peer) => {
    const { pid, kind } = run.state;
    const size = run.child?.terminal?.size;
    peer.sendJson({ type: "start", id: run.id, pid: pid ?? null, kind, offset, ...(size && { size }) });
    const typing = new Typing(
      (bytes) => terminals.type(run, bytes),
      (thrown) => tell(c, peer, thrown),
    );
    peer.onMessage((message) => take(c, terminals, run, peer, typing, message));
    void show(c, terminals, run, peer, from);
  });
}

async function show(c: EdgeContext, terminals: Terminals, run: Run, peer: Peer, from: LogStart): Promise<void> {
  try {
    await terminals.show(run, from, {
      signal: peer.signal,
      output: (bytes) => peer.sendBytes(bytes),
      resized: (size) => peer.sendJson({ type: "size", ...size }),
    });
    peer.sendJson({ type: "end", ...endView(run.end) });
    peer.close(CLOSE_NORMAL);
  } catch (thrown) {
    if (peer.signal.aborted) return;
    const { code, message } = c.var.request.fail(thrown);
    peer.sendJson({ type: "error", code, message });
    peer.close(CLOSE_ERROR, code);
  }
}

/** A message that cannot be taken is told; the connection stays. */
async function take(
  c: EdgeContext,
  terminals: Terminals,
  run: Run,
  peer: Peer,
  typing: Typing,
  message: PeerMessage,
): Promise<void> {
  try {
    if ("bytes" in message) return await typing.take(message.bytes);
    const control = readControl(message.text);
    if (control.type === "ping") peer.sendJson({ type: "pong" });
    else await terminals.control(run, control);
  } catch (thrown) {
    tell(c, peer, thrown);
  }
}

function tell(c: EdgeContext, peer: Peer, thrown: unknown): void {
  const { code, message } = c.var.request.fail(thrown);
  peer.sendJson({ type: "error", code, message });
}

function readControl(text: string): v.InferOutput<typeof contract.Control> {
  const parsed = v.safeParse(contract.Control, parseJson(text), { message: issueText });
  if (parsed.success) return parsed.output;
  const [issue] = parsed.issues;
  const member = ["text frame", v.getDotPath(issue) ?? []].flat().join(".");
  throw new SandboxError("invalid_argument", `${member}: ${issue.message}`, {
    hint: 'send {"type":"resize","cols":80,"rows":24}, {"type":"signal","signal":"SIGINT"}, {"type":"eof"} or {"type":"ping"}',
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // no object: the check says so
  }
}
