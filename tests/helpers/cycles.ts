import { send } from "../unit/edge/connect/wire-client.ts";
import { begin, bytesOf, call, mustCall, type Output, type ProcessEvent, stream } from "./process-calls.ts";

/** Starts something, sees it end, and throws when that was not as it should be. */
export type Cycle = (url: string) => Promise<void>;

const shell = (script: string, more: object = {}): object => ({
  process: { cmd: "/bin/sh", args: ["-c", script], cwd: "/" },
  stdin: false,
  ...more,
});
const base64 = (text: string): string => Buffer.from(text).toString("base64");

const textOf = (events: readonly ProcessEvent[], output: Output): string => bytesOf(events, output).toString("latin1");

function check(what: string, came: unknown, wanted: unknown): void {
  if (JSON.stringify(came) === JSON.stringify(wanted)) return;
  throw new Error(`${what}: expected ${JSON.stringify(wanted)}, got ${JSON.stringify(came)}`);
}

function checkEnd(what: string, events: readonly ProcessEvent[], status: string): void {
  check(`${what}: how it ended`, events.find(({ end }) => end)?.end?.status ?? events.at(-1), status);
  check(`${what}: last frame`, events.at(-1)?.close, "ok");
}

/** A program that ends by itself. */
async function trueCycle(url: string): Promise<void> {
  checkEnd(
    "true",
    await stream(url, "Start", { process: { cmd: "/bin/true", cwd: "/" }, stdin: false }),
    "exit status 0",
  );
}

async function outputCycle(url: string): Promise<void> {
  const events = await stream(url, "Start", shell("echo out; echo err >&2; exit 3"));
  checkEnd("output", events, "exit status 3");
  check("output", [textOf(events, "stdout"), textOf(events, "stderr")], ["out\n", "err\n"]);
}

async function inputCycle(url: string): Promise<void> {
  const live = await begin(url, { process: { cmd: "cat", cwd: "/" }, stdin: true });
  const process = { pid: live.pid };
  await mustCall(url, "SendInput", { process, input: { stdin: base64("typed") } });
  await mustCall(url, "CloseStdin", { process });
  const events = await live.rest();
  checkEnd("input", events, "exit status 0");
  check("input", textOf(events, "stdout"), "typed");
}

async function killCycle(url: string): Promise<void> {
  const live = await begin(url, shell("sleep 60 & wait"));
  await mustCall(url, "SendSignal", { process: { pid: live.pid }, signal: "SIGNAL_SIGKILL" });
  checkEnd("kill", await live.rest(), "signal: killed");
}

async function notFoundCycle(url: string): Promise<void> {
  checkEnd("not found", await stream(url, "Start", { process: { cmd: "no-such", cwd: "/" } }), "exit status 127");
}

async function refusedCycle(url: string): Promise<void> {
  const events = await stream(url, "Start", { process: { cmd: "true", cwd: "/no/such" } });
  check("refused", events, [{ close: { code: "invalid_argument", message: "cwd '/no/such' does not exist" } }]);
}

/** The client goes away in the middle; another one sees the end. */
async function abandonCycle(url: string): Promise<void> {
  const live = await begin(url, { process: { cmd: "cat", cwd: "/" }, stdin: true });
  live.stream.destroy();
  await mustCall(url, "CloseStdin", { process: { pid: live.pid } });
  checkEnd("abandoned", await stream(url, "Connect", { process: { pid: live.pid } }), "exit status 0");
}

async function deadlineCycle(url: string): Promise<void> {
  const events = await stream(url, "Start", shell("exec sleep 60"), { "Connect-Timeout-Ms": "20" });
  check("deadline", events.at(-1)?.close, { code: "deadline_exceeded", message: "context deadline exceeded" });
}

/** Enough output to be moved to disk. */
async function spillCycle(url: string): Promise<void> {
  const events = await stream(url, "Start", shell("head -c 400000 /dev/zero"));
  checkEnd("spill", events, "exit status 0");
  check("spill", bytesOf(events, "stdout").length, 400_000);
}

/** Something is left behind that holds the output, and is killed with the run. */
async function backgroundCycle(url: string): Promise<void> {
  const events = await stream(url, "Start", shell("sleep 60 & echo $!"));
  checkEnd("background", events, "exit status 0");
  const { pid } = events[0]?.start ?? {};
  const { runs } = await listRuns(url);
  const run = runs.find((one) => one.pid === pid);
  check("background: removed", (await send(url, { method: "DELETE", path: `/v1/runs/${run?.id}` })).status, 200);
}

const SPAWNS: readonly Cycle[] = [
  ...Array.from({ length: 8 }, () => trueCycle),
  ...Array.from({ length: 4 }, () => outputCycle),
  inputCycle,
  inputCycle,
  killCycle,
  notFoundCycle,
  refusedCycle,
  abandonCycle,
  deadlineCycle,
  spillCycle,
  backgroundCycle,
];

const inTerminal = (script: string): object => shell(script, { pty: { size: { cols: 80, rows: 24 } } });

async function echoTerminal(url: string): Promise<void> {
  const events = await stream(url, "Start", inTerminal("echo hi; exit 4"));
  checkEnd("terminal", events, "exit status 4");
  check("terminal", textOf(events, "pty"), "hi\r\n");
}

async function typedTerminal(url: string): Promise<void> {
  const live = await begin(url, inTerminal("stty -echo; echo ready; read line; stty size; echo got $line"));
  const process = { pid: live.pid };
  const first = await live.stream.until((event: ProcessEvent) => event.data !== undefined);
  await mustCall(url, "Update", { process, pty: { size: { cols: 100, rows: 30 } } });
  await mustCall(url, "SendInput", { process, input: { pty: base64("it\n") } });
  const events = [...first, ...(await live.rest())];
  checkEnd("typed terminal", events, "exit status 0");
  check("typed terminal", textOf(events, "pty"), "ready\r\n30 100\r\ngot it\r\n");
}

async function killedTerminal(url: string): Promise<void> {
  const live = await begin(url, inTerminal("sleep 60 & wait"));
  await mustCall(url, "SendSignal", { process: { pid: live.pid }, signal: "SIGNAL_SIGKILL" });
  checkEnd("killed terminal", await live.rest(), "signal: killed");
}

async function abandonedTerminal(url: string): Promise<void> {
  const live = await begin(url, inTerminal("stty -echo; read line"));
  live.stream.destroy();
  const process = { pid: live.pid };
  await mustCall(url, "SendInput", { process, input: { pty: base64("x\n") } });
  checkEnd("abandoned terminal", await stream(url, "Connect", { process }), "exit status 0");
}

const TERMINALS: readonly Cycle[] = [echoTerminal, echoTerminal, typedTerminal, killedTerminal, abandonedTerminal];

export const CYCLES = { spawns: SPAWNS, terminals: TERMINALS } as const;

/** Runs `count` cycles, each kind in turn, `concurrency` at a time. */
export async function runCycles(
  url: string,
  cycles: readonly Cycle[],
  options: { count: number; concurrency: number },
): Promise<void> {
  let begun = 0;
  const work = async (): Promise<void> => {
    while (begun < options.count) {
      const cycle = cycles[begun % cycles.length];
      begun += 1;
      await cycle?.(url);
    }
  };
  await Promise.all(Array.from({ length: options.concurrency }, work));
}

interface ListedRun {
  id: string;
  pid: number | null;
  state: string;
}

async function listRuns(url: string): Promise<{ runs: ListedRun[] }> {
  const { text } = await send(url, { method: "GET", path: "/v1/runs" });
  return JSON.parse(text) as { runs: ListedRun[] };
}

/** Removes every run: what is held afterwards is held for nobody. */
export async function forgetRuns(url: string): Promise<void> {
  const { runs } = await listRuns(url);
  for (const { id } of runs) await send(url, { method: "DELETE", path: `/v1/runs/${id}` });
  const { text } = await call(url, "List", {});
  check("runs left", JSON.parse(text), {});
}
