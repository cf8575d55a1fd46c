import * as v from "valibot";

/** Query of `GET /metrics`; `format` beats the `Accept` header. */
export const MetricsQuery = v.object({ format: v.optional(v.picklist(["json", "prometheus"])) });

/** Answer of `GET /metrics`; sizes in bytes but for the two in MiB, which the reference keeps for old clients. */
export const MetricsAnswer = v.object({
  ts: v.pipe(v.number(), v.description("unix seconds of the sample")),
  cpu_count: v.number(),
  cpu_used_pct: v.number(),
  mem_total: v.number(),
  mem_used: v.number(),
  mem_cache: v.number(),
  mem_total_mib: v.number(),
  mem_used_mib: v.number(),
  disk_total: v.number(),
  disk_used: v.number(),
});
