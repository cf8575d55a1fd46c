import { accepts } from "hono/accepts";
import { MetricsAnswer, MetricsQuery } from "../contracts/metrics.ts";
import type { EdgeContext } from "../edge/request-context.ts";
import { emptyErrorResponse } from "../edge/replies.ts";
import { type Route, route } from "../edge/route.ts";
import { parseQuery } from "../edge/validate.ts";
import { TEXT_FORMAT, toText } from "./exposition.ts";
import { collectFamilies, type FiguresDeps } from "./figures.ts";
import type { Metrics } from "./metrics.ts";
import type { MetricsSample } from "./sample.ts";

const MIB = 1024 * 1024;
const NO_STORE = { "Cache-Control": "no-store" };
const BOTH = { supports: ["application/json", "text/plain"], default: "application/json" };

/** `/metrics`, in the JSON of the wire contract unless Prometheus' text is asked for by name. */
export function metricsRoutes(metrics: Metrics, deps: Omit<FiguresDeps, "loopLagMs">): Route[] {
  const answer = async (c: EdgeContext): Promise<Response> => {
    const { format } = parseQuery(c, MetricsQuery);
    let sample: MetricsSample;
    try {
      sample = await metrics.current();
    } catch (error) {
      return emptyErrorResponse(c, error);
    }
    if (!isTextWanted(c, format)) return c.json(toWire(sample), 200, NO_STORE);
    const families = collectFamilies(sample, { ...deps, loopLagMs: () => metrics.loopLagMs });
    return c.body(toText(families), 200, { ...NO_STORE, "Content-Type": TEXT_FORMAT });
  };
  return [route("GET /metrics", { family: "rest", access: "token", doc: METRICS }, answer)];
}

const METRICS = {
  summary: "Processor, memory and disk in use; as Prometheus' text also runs, contexts and guestd itself",
  tag: "metrics",
  query: MetricsQuery,
  headers: { Accept: "text/plain for Prometheus' text" },
  answers: {
    200: { description: "newest sample", json: MetricsAnswer, media: ["text/plain"] },
    500: { description: "the machine could not be read", isEmpty: true },
  },
};

function isTextWanted(c: EdgeContext, format: "json" | "prometheus" | undefined): boolean {
  if (format !== undefined) return format === "prometheus";
  return accepts(c, { header: "Accept", ...BOTH }) === "text/plain";
}

/** The JSON of the wire contract. */
export function toWire(sample: MetricsSample): Record<string, number> {
  const { memory } = sample;
  return {
    ts: Math.floor(sample.at.getTime() / 1000),
    cpu_count: sample.cpuCount,
    cpu_used_pct: sample.cpuUsedPercent,
    mem_total: memory.total,
    mem_used: memory.used,
    mem_cache: memory.cache,
    mem_total_mib: Math.floor(memory.total / MIB),
    mem_used_mib: Math.floor(memory.used / MIB),
    disk_total: sample.diskTotal,
    disk_used: sample.diskUsed,
  };
}
