import { readFileSync } from "node:fs";

/** A case of the conformance suite: cells, and what each of them must say. */
export interface KernelCase {
  language: string;
  title: string;
  cells: (string | { code: string; env?: Record<string, string> })[];
  expect: { cells: ExpectedCell[] };
  /** Index of a cell → ms after which it is interrupted. */
  interrupt_after_ms?: Record<string, number>;
  notes?: string;
}

interface ExpectedCell {
  status: "ok" | "error" | "interrupted" | "died";
  stdout?: string;
  stderr?: string;
  stdout_contains?: string[];
  stderr_contains?: string[];
  stdout_length?: number;
  stderr_length?: number;
  order?: string[];
  count?: number;
  max_ms?: number;
  results?: ExpectedResult[];
  error?: {
    name?: string;
    value?: string;
    value_contains?: string[] | string;
    traceback_contains?: string[];
    traceback_not_contains?: string[];
  };
}

type ExpectedResult = Record<string, unknown> & {
  main?: boolean;
  formats?: string[];
  formats_include?: string[];
  text_regex?: string;
};

/** What a cell said, collected. */
interface Heard {
  status: ExpectedCell["status"];
  stdout: string;
  stderr: string;
  order: string[];
  count: number | undefined;
  results: Record<string, unknown>[];
  errors: { name: string; value: string; traceback: string }[];
  ms: number;
  isEnded: boolean;
}

export function readCases(file: string): KernelCase[] {
  return JSON.parse(readFileSync(file, "utf8")) as KernelCase[];
}

/** Runs a case in a context of its own through HTTP and returns everything that was not as expected. */
export async function runCase(url: string, wanted: KernelCase): Promise<string[]> {
  const { id, cwd } = await createContext(url, wanted.language);
  const faults: string[] = [];
  for (const [index, cell] of wanted.cells.entries()) {
    const { code, env } = typeof cell === "string" ? { code: cell, env: undefined } : cell;
    const heard = await execute(url, {
      code,
      context_id: id,
      env_vars: env,
      timeout_ms: wanted.interrupt_after_ms?.[String(index)],
    });
    const expected = wanted.expect.cells[index];
    if (expected) faults.push(...compare(expected, heard, cwd).map((fault) => `cell ${index}: ${fault}`));
  }
  await fetch(`${url}/contexts/${id}`, { method: "DELETE" });
  return faults;
}

async function createContext(url: string, language: string): Promise<{ id: string; cwd: string }> {
  const response = await fetch(`${url}/contexts`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ language }),
  });
  if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`);
  return (await response.json()) as { id: string; cwd: string };
}

async function execute(url: string, body: Record<string, unknown>): Promise<Heard> {
  const began = performance.now();
  const response = await fetch(`${url}/execute`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  if (response.status !== 200) throw new Error(`${response.status} ${text}`);
  const heard: Heard = {
    status: "ok",
    stdout: "",
    stderr: "",
    order: [],
    count: undefined,
    results: [],
    errors: [],
    ms: 0,
    isEnded: false,
  };
  for (const line of text.trimEnd().split("\n")) hear(heard, JSON.parse(line) as Record<string, unknown>);
  heard.ms = performance.now() - began;
  const name = heard.errors[0]?.name;
  if (name === "KeyboardInterrupt") heard.status = "interrupted";
  else if (name === "ContextRestarting") heard.status = "died";
  else if (name !== undefined) heard.status = "error";
  return heard;
}

function hear(heard: Heard, event: Record<string, unknown>): void {
  const { type } = event;
  if (type === "stdout" || type === "stderr") {
    heard[type] += String(event["text"]);
    if (heard.order.at(-1) !== type) heard.order.push(type);
  } else if (type === "result") {
    heard.results.push(event);
    heard.order.push("result");
  } else if (type === "error") {
    heard.errors.push(event as unknown as Heard["errors"][0]);
    heard.order.push("error");
  } else if (type === "number_of_executions") heard.count = Number(event["execution_count"]);
  else if (type === "end_of_execution") heard.isEnded = true;
}

function compare(expected: ExpectedCell, heard: Heard, cwd: string): string[] {
  const faults: string[] = [];
  const same = (what: string, wanted: unknown, came: unknown): void => {
    if (wanted !== undefined && JSON.stringify(wanted) !== JSON.stringify(came)) {
      faults.push(`${what}: expected ${short(wanted)}, got ${short(came)}`);
    }
  };
  const contains = (what: string, parts: string[] | string | undefined, text: string): void => {
    for (const part of [parts ?? []].flat())
      if (!text.includes(part)) faults.push(`${what} lacks ${short(part)}: ${short(text)}`);
  };
  if (!heard.isEnded) faults.push("no end_of_execution");
  if (heard.errors.length > 1) faults.push(`${heard.errors.length} errors`);
  same("status", expected.status, heard.status);
  for (const stream of ["stdout", "stderr"] as const) {
    same(stream, expected[stream], heard[stream]);
    contains(stream, expected[`${stream}_contains`], heard[stream]);
    same(
      `length of ${stream}`,
      expected[`${stream}_length`],
      expected[`${stream}_length`] === undefined ? undefined : heard[stream].length,
    );
  }
  same("order", expected.order, heard.order);
  same("count", expected.count, heard.count);
  if (expected.max_ms !== undefined && heard.ms > expected.max_ms) faults.push(`took ${heard.ms} ms`);
  if (expected.results) {
    same("number of results", expected.results.length, heard.results.length);
    expected.results.forEach((result, index) =>
      compareResult(result, heard.results[index] ?? {}, cwd, index, { same, faults }),
    );
  }
  if (expected.error) {
    const { name = "", value = "", traceback = "" } = heard.errors[0] ?? {};
    same("error name", expected.error.name, name);
    same("error value", expected.error.value, value);
    contains("error value", expected.error.value_contains, value);
    contains("traceback", expected.error.traceback_contains, traceback);
    for (const part of expected.error.traceback_not_contains ?? [])
      if (traceback.includes(part)) faults.push(`traceback has ${part}`);
  }
  return faults;
}

function compareResult(
  expected: ExpectedResult,
  came: Record<string, unknown>,
  cwd: string,
  index: number,
  { same, faults }: { same: (what: string, wanted: unknown, came: unknown) => void; faults: string[] },
): void {
  const { main, formats, formats_include: include = [], text_regex: regex, ...values } = expected;
  const { type: _type, is_main_result: isMain, extra, ...given } = came;
  const present = [...Object.keys(given), ...Object.keys(extra ?? {})];
  same(`result ${index} main`, main, isMain);
  if (formats) same(`result ${index} formats`, formats.toSorted(), present.toSorted());
  for (const format of include)
    if (!present.includes(format)) faults.push(`result ${index} lacks ${format}: ${present.join()}`);
  if (regex !== undefined && !new RegExp(regex).test(String(given["text"])))
    faults.push(`result ${index} text: ${short(given["text"])}`);
  for (const [key, value] of Object.entries(values)) {
    const wanted = typeof value === "string" ? value.replaceAll("{cwd}", cwd) : value;
    same(`result ${index} ${key}`, wanted, key === "extra" ? extra : given[key]);
  }
}

function short(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > 300 ? `${text.slice(0, 300)}…` : text;
}
