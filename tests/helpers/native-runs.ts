import { readFileSync } from "node:fs";

/** A run as `GET /v1/runs/{id}` tells it, as far as tests look. */
export interface RunView {
  id: string;
  kind: string;
  state: "running" | "ended";
  startedAt: string;
  pid: number;
  ending: string | null;
  exitCode: number | null;
  signal: string | null;
  detail?: string;
  usage: { wallMs: number; source: string } | null;
  pipesHeldBy?: { pid: number; command: string }[];
  log: Record<string, { oldest: number; end: number }>;
}

export interface SignalReport {
  signaled: number[];
  survivors: number[];
}

/** Starts a program in the background through `/v1/run`. */
export async function startRun(url: string, body: unknown, headers?: Record<string, string>): Promise<RunView> {
  return must<RunView>(await post(url, "/v1/run?background=1", body, headers), 202);
}

export async function viewOf(url: string, id: string, headers: Record<string, string> = {}): Promise<RunView> {
  return must<RunView>(await fetch(`${url}/v1/runs/${id}`, { headers }), 200);
}

/** What a run looks like when it has ended. */
export async function endedView(url: string, id: string, headers: Record<string, string> = {}): Promise<RunView> {
  return must<RunView>(await fetch(`${url}/v1/runs/${id}/wait`, { headers }), 200);
}

/** All that a run has printed, all streams in order of arrival. */
export async function outputOf(url: string, id: string, query = ""): Promise<string> {
  return (await fetch(`${url}/v1/runs/${id}/log?${query}`)).text();
}

/** Resolves when a run has printed what `pattern` finds. */
export async function untilPrinted(url: string, id: string, pattern: RegExp): Promise<RegExpExecArray> {
  const { body } = await fetch(`${url}/v1/runs/${id}/log?follow=1`);
  let text = "";
  for await (const chunk of body ?? []) {
    text += Buffer.from(chunk as Uint8Array).toString("latin1");
    const found = pattern.exec(text);
    if (found) return found;
  }
  throw new Error(`the run ended without ${pattern}: ${JSON.stringify(text)}`);
}

export async function signalRun(url: string, id: string, body: unknown): Promise<SignalReport> {
  return must<SignalReport>(await post(url, `/v1/runs/${id}/signal`, body), 200);
}

export async function removeRun(url: string, id: string): Promise<{ ending: string | null; survivors: number[] }> {
  return must(await fetch(`${url}/v1/runs/${id}`, { method: "DELETE" }), 200);
}

export function post(
  url: string,
  path: string,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<Response> {
  return fetch(url + path, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...headers },
    body: JSON.stringify(body),
  });
}

async function must<T>(response: Response, status: number): Promise<T> {
  if (response.status !== status)
    throw new Error(`${response.url} answered ${response.status} ${await response.text()}`);
  return (await response.json()) as T;
}

/** The parent of a process; of a program that is its shim. */
export function parentOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
}
