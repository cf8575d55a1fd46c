import { MetricsAnswer } from "../contracts/metrics.ts";
import { type Route, route } from "../edge/route.ts";
import type { Metrics, MetricsSample } from "./metrics.ts";

const MIB = 1024 * 1024;

export function metricsRoutes(metrics: Metrics): Route[] {
  return [
    route("GET /metrics", { family: "rest", access: "token", doc: METRICS }, async (c) =>
      c.json(toWire(await metrics.current()), 200, { "Cache-Control": "no-store" }),
    ),
  ];
}

const METRICS = {
  summary: "Processor, memory and disk in use",
  tag: "metrics",
  answers: { 200: { description: "newest sample", json: MetricsAnswer } },
};

function toWire(sample: MetricsSample): Record<string, number> {
  return {
    ts: Math.floor(sample.at.getTime() / 1000),
    cpu_count: sample.cpuCount,
    cpu_used_pct: sample.cpuUsedPercent,
    mem_total: sample.memoryTotal,
    mem_used: sample.memoryUsed,
    mem_cache: sample.memoryCache,
    mem_total_mib: Math.floor(sample.memoryTotal / MIB),
    mem_used_mib: Math.floor(sample.memoryUsed / MIB),
    disk_total: sample.diskTotal,
    disk_used: sample.diskUsed,
  };
}
