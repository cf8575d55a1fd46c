import { expect, test } from "vitest";
import { Metrics } from "../../../src/metrics/metrics.ts";
import { RequestTimes } from "../../../src/metrics/request-times.ts";
import { metricsRoutes } from "../../../src/metrics/rest.ts";
import { serveRoutes } from "../../helpers/route-server.ts";
import { runsPlace } from "../../helpers/runs-place.ts";

const unwatched = (): { used: number; limit: number } => ({ used: 0, limit: 1 });

test("a machine that cannot be read is a 500 with nothing in it, as the contract says, and a line of the log", async () => {
  await using place = runsPlace();
  using metrics = new Metrics({
    pids: () => {
      throw new Error("nothing can be read");
    },
  });
  const deps = { runs: place.runs, requestTimes: new RequestTimes(), contexts: () => [], watches: unwatched };
  await using server = await serveRoutes({ routes: metricsRoutes(metrics, deps) });
  for (const path of ["/metrics", "/metrics?format=prometheus"]) {
    const response = await fetch(server.url + path);
    expect([response.status, await response.text()]).toEqual([500, ""]);
    expect(response.headers.get("content-type")).toBeNull();
  }
  expect(server.log.map(({ event }) => event)).toEqual(["bug", "bug"]);
  expect(String(server.log[0]?.["error"])).toContain("nothing can be read");
});
