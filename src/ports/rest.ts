import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import { type ListedPort, PortFeedEvent, PortList, PortsQuery } from "../contracts/ports.ts";
import { encodeEvent, KEEPALIVES, streamHeaders, wantedFormat } from "../edge/event-stream.ts";
import { startPump } from "../edge/pump.ts";
import type { EdgeContext } from "../edge/request-context.ts";
import { type Route, route } from "../edge/route.ts";
import { parseQuery } from "../edge/validate.ts";
import type { PortWatch } from "./port-watch.ts";
import type { Ports } from "./ports.ts";
import type { Port, PortEvent } from "./types.ts";

const KEEPALIVE_MS = 15_000;

/** `/v1/ports`: what programs listen on. */
export function portsRoutes(ports: Ports, watch: PortWatch): Route[] {
  return [
    route("GET /v1/ports", { family: "native", access: "token", doc: PORTS }, async (c) => {
      const { follow = false } = parseQuery(c, PortsQuery);
      if (follow) return feed(c, watch);
      const list = await ports.list();
      if (wantedFormat(c) === "raw" && (c.req.header("accept") ?? "").includes("text/plain"))
        return c.text(table(list));
      return c.json({ ports: list.map(listed) });
    }),
  ];
}

const PORTS = {
  summary:
    "Ports that programs listen on, with the run or the code context that each belongs to; `follow=1` tells of new ones",
  tag: "ports",
  query: PortsQuery,
  answers: {
    200: {
      description: "all of them; with `follow` one event a line, which begin with those that are open",
      json: PortList,
      media: ["text/plain"],
      events: PortFeedEvent,
    },
  },
};

async function feed(c: EdgeContext, watch: PortWatch): Promise<Response> {
  const format = wantedFormat(c) === "sse" ? "sse" : "ndjson";
  const { request } = c.var;
  async function* frames(): AsyncGenerator<Buffer> {
    let isReady = false;
    for await (const events of watch.follow(request.signal)) {
      const lines: PortFeedEvent[] = events.map(eventOf);
      if (!isReady) lines.push({ type: "ready" });
      isReady = true;
      yield Buffer.concat(lines.map((line) => encodeEvent(format, line)));
    }
  }
  await startPump(frames(), c.env.outgoing, {
    headers: streamHeaders(format),
    keepalive: { bytes: KEEPALIVES[format], everyMs: KEEPALIVE_MS },
    onFailure: (error) => void request.fail(error),
  });
  return RESPONSE_ALREADY_SENT;
}

function listed({ port, address, pid, command, runId, contextId }: Port): ListedPort {
  return {
    port,
    address,
    ...(pid !== undefined && { pid, command }),
    ...(runId !== undefined && { run: runId }),
    ...(contextId !== undefined && { context: contextId }),
  };
}

function eventOf({ type, port }: PortEvent): PortFeedEvent {
  return { type, ...listed(port) };
}

/** For people: one port a line. */
function table(list: readonly Port[]): string {
  return list
    .map(({ port, address, pid, command, runId, contextId }) => {
      const owner = runId ?? (contextId === undefined ? "" : `context ${contextId}`);
      const cells = [String(port).padStart(5), address.padEnd(15), command ?? "?"];
      return [...cells, pid === undefined ? "" : `pid ${pid}`, owner].join(" ").trimEnd();
    })
    .map((line) => `${line}\n`)
    .join("");
}
