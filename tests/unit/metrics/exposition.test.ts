import parse from "parse-prometheus-text-format";
import { expect, test } from "vitest";
import { toText } from "../../../src/metrics/exposition.ts";
import { RequestTimes } from "../../../src/metrics/request-times.ts";

test("a label may hold anything", () => {
  const odd = 'a "b" \\ c\nd {e="f"} 7';
  const text = toText([
    { name: "x", type: "gauge", help: "one\\two\nthree", points: [{ labels: { odd }, value: 1.5 }] },
  ]);
  expect(text.split("\n")).toHaveLength(4);
  expect(parse(text)).toEqual([
    { name: "x", type: "GAUGE", help: "one\\two\nthree", metrics: [{ labels: { odd }, value: "1.5" }] },
  ]);
});

test("families without numbers are left out, and infinity is written as Prometheus does", () => {
  const text = toText([
    { name: "none", type: "gauge", help: "nothing", points: [] },
    { name: "limit", type: "gauge", help: "no limit", points: [{ value: Infinity }] },
  ]);
  expect(text).toBe("# HELP limit no limit\n# TYPE limit gauge\nlimit +Inf\n");
});

test("buckets of request times count all that took no longer", () => {
  const times = new RequestTimes();
  for (const durationMs of [1, 3, 3, 400, 60_000]) {
    times.note({ method: "GET", route: "/v1/runs/:id", status: 200, durationMs });
  }
  const text = toText(times.families());
  expect(parse(text)[0]?.metrics[0]?.buckets).toEqual({
    "0.001": "1",
    "0.005": "3",
    "0.025": "3",
    "0.1": "3",
    "0.5": "4",
    "2.5": "4",
    "10": "4",
    "+Inf": "5",
  });
  const labels = 'method="GET",route="/v1/runs/:id"';
  expect(text).toContain(`guestd_http_request_duration_seconds_bucket{${labels},le="+Inf"} 5\n`);
  expect(text).toContain(`_sum{${labels}} 60.407\nguestd_http_request_duration_seconds_count{${labels}} 5\n`);
});

test("paths without a route share one label, whatever their methods", () => {
  const times = new RequestTimes();
  for (const method of ["GET", "POST", "BREW"]) times.note({ method, route: undefined, status: 404, durationMs: 1 });
  expect(toText(times.families())).toContain('_count{method="any",route="none"} 3\n');
});
