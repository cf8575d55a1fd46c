import type { Family, Point } from "./exposition.ts";

/** Upper bounds in seconds. */
const BOUNDS = [0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10] as const;

/** A request that was answered or broken off. */
export interface AnsweredRequest {
  method: string;
  /** The pattern of its path; undefined when there is none, whose path could be anything. */
  route: string | undefined;
  status: number;
  durationMs: number;
}

interface Times {
  labels: { method: string; route: string };
  /** Of each bound, and last those above all. */
  counts: number[];
  seconds: number;
}

/** How long requests took, by route, from the start on. There are as many labels as routes, whatever is asked for. */
export class RequestTimes {
  readonly #byRoute = new Map<string, Times>();
  readonly #byStatus = new Map<string, number>();

  note({ method, route = "none", status, durationMs }: AnsweredRequest): void {
    const seconds = durationMs / 1000;
    const times = this.#timesOf(route === "none" ? "any" : method, route);
    const at = BOUNDS.findIndex((bound) => seconds <= bound);
    const bucket = at < 0 ? BOUNDS.length : at;
    times.counts[bucket] = (times.counts[bucket] ?? 0) + 1;
    times.seconds += seconds;
    const code = `${Math.floor(status / 100)}xx`;
    this.#byStatus.set(code, (this.#byStatus.get(code) ?? 0) + 1);
  }

  families(): Family[] {
    return [
      {
        name: "guestd_http_request_duration_seconds",
        type: "histogram",
        help: "Time from a request's head to the end of its answer; a stream's is as long as it is followed.",
        points: [...this.#byRoute.values()].flatMap(pointsOf),
      },
      {
        name: "guestd_http_responses_total",
        type: "counter",
        help: "Answers by class of status.",
        points: [...this.#byStatus].map(([code, value]) => ({ labels: { code }, value })),
      },
    ];
  }

  #timesOf(method: string, route: string): Times {
    const key = `${method} ${route}`;
    const known = this.#byRoute.get(key);
    if (known) return known;
    const times: Times = { labels: { method, route }, counts: BOUNDS.map(() => 0), seconds: 0 };
    this.#byRoute.set(key, times);
    return times;
  }
}

/** Buckets count everything up to their bound. */
function pointsOf({ labels, counts, seconds }: Times): Point[] {
  let total = 0;
  const buckets = [...BOUNDS, Infinity].map((bound, at): Point => {
    total += counts[at] ?? 0;
    return { suffix: "_bucket", labels: { ...labels, le: bound === Infinity ? "+Inf" : String(bound) }, value: total };
  });
  return [...buckets, { suffix: "_sum", labels, value: seconds }, { suffix: "_count", labels, value: total }];
}
