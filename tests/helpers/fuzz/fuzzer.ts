import type { Random } from "../random.ts";
import type { Company } from "./messages.ts";
import { RawConnection, type RawReply } from "./raw-http.ts";
import { type FuzzRequest, makeRequest } from "./requests.ts";
import { judge, type Verdict } from "./verdict.ts";

/** An answer that was wrong. */
export interface Finding {
  index: number;
  rpc: string;
  fault: string;
  /** Bytes of the request. */
  request: string;
  answer: string;
  /** Bytes of the request before it on the same connection. */
  before: string;
}

export interface FuzzReport {
  seed: number;
  executions: number;
  byRpc: Record<string, number>;
  /** Codes of errors, `ok`, plain HTTP statuses, connections closed. */
  byOutcome: Record<string, number>;
  findings: Finding[];
}

export interface FuzzOptions {
  random: Random;
  executions: number;
  company: Company;
  /** The first request's number. */
  from?: number;
  concurrency?: number;
  /** Stops after so many. */
  maxFindings?: number;
}

const SHOWN_BYTES = 2000;

/** Sends requests that are wrong in every way to whoever listens on `port`, and reports the answers that are. */
export async function fuzz(port: number, options: FuzzOptions): Promise<FuzzReport> {
  const { random, executions, company, from = 0, concurrency = 8, maxFindings = 10 } = options;
  const report: FuzzReport = { seed: random.seed, executions: 0, byRpc: {}, byOutcome: {}, findings: [] };
  let next = from;

  const work = async (): Promise<void> => {
    let connection = new RawConnection(port);
    let before: FuzzRequest | undefined;
    while (next < from + executions && report.findings.length < maxFindings) {
      const request = makeRequest(random, next, company);
      next += 1;
      const { verdict, reply } = await execute(connection, request);
      note(report, { request, verdict, reply, before });
      before = request;
      if (request.isBroken || !reply?.isKeptAlive || verdict.fault !== undefined) {
        connection.close();
        connection = new RawConnection(port);
        before = undefined;
      }
    }
    connection.close();
  };
  await Promise.all(Array.from({ length: concurrency }, work));
  return report;
}

async function execute(
  connection: RawConnection,
  request: FuzzRequest,
): Promise<{ verdict: Verdict; reply: RawReply | undefined }> {
  let reply: RawReply | undefined;
  try {
    reply = await connection.exchange(request.pieces, request.finish);
    // A connection whose request was no request must not be left open.
    if (request.isBroken || reply?.isKeptAlive === false) await connection.ended();
    return { verdict: judge(request, reply), reply };
  } catch (error) {
    return { verdict: { outcome: "broken", fault: error instanceof Error ? error.message : String(error) }, reply };
  }
}

interface Execution {
  request: FuzzRequest;
  verdict: Verdict;
  reply: RawReply | undefined;
  before: FuzzRequest | undefined;
}

function note(report: FuzzReport, { request, verdict, reply, before }: Execution): void {
  const { name } = request.rpc.method;
  report.executions += 1;
  report.byRpc[name] = (report.byRpc[name] ?? 0) + 1;
  report.byOutcome[verdict.outcome] = (report.byOutcome[verdict.outcome] ?? 0) + 1;
  if (verdict.fault === undefined) return;
  report.findings.push({
    index: request.index,
    rpc: name,
    fault: verdict.fault,
    request: show(request),
    before: before ? show(before) : "",
    answer: reply ? `${reply.status} ${reply.body.toString("latin1").slice(0, SHOWN_BYTES)}` : "none",
  });
}

function show({ pieces }: FuzzRequest): string {
  return Buffer.concat(pieces).toString("latin1").slice(0, SHOWN_BYTES);
}

/** Adds the figures of `more` to `report`. */
export function addReport(report: FuzzReport, more: FuzzReport): void {
  report.executions += more.executions;
  for (const key of ["byRpc", "byOutcome"] as const)
    for (const [name, count] of Object.entries(more[key])) report[key][name] = (report[key][name] ?? 0) + count;
  report.findings.push(...more.findings);
}

function list(counts: Record<string, number>): string {
  const sorted = Object.entries(counts).toSorted(([, a], [, b]) => b - a);
  return sorted.map(([name, count]) => `${name} ${count}`).join(", ");
}

/** One line for whoever reads the test's output. */
export function describeFuzz({ seed, executions, byRpc, byOutcome, findings }: FuzzReport): string {
  return `fuzz: GUESTD_SEED=${seed}, ${executions} executions, ${findings.length} findings; ${list(byRpc)}; ${list(byOutcome)}`;
}
