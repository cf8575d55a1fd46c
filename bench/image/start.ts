import { spawn } from "node:child_process";
import { once } from "node:events";
import { get } from "node:http";
import { createServer, type AddressInfo } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { startBuiltDaemon } from "../lib/built-daemon.ts";
import { timed } from "../lib/code-place.ts";
import { startOwnContexts } from "../lib/own-contexts.ts";
import { report } from "../lib/report.ts";
import { interleave, median, quantile } from "../lib/statistics.ts";
import { unpackArtefact } from "./artefact.ts";

const ROUNDS = 9;
const CONTEXT_ROUNDS = 5;
const LOOK_MS = 1;
const HEALTHY_MS = 30_000;
const BARE_SERVER =
  'require("node:http").createServer((_, answer) => answer.writeHead(204).end()).listen(process.argv[1], "127.0.0.1")';

/** From the start of the launcher until it answers; and until the default contexts, of Python and JavaScript, are ready. */
export async function benchStart(): Promise<void> {
  using installed = unpackArtefact();
  const ours = (): Promise<number> => timeOurs(installed.folder);
  await ours();
  await timeBare();
  const sides = await interleave(ROUNDS, { ours, bare: timeBare });
  report({
    what: "start until `/health` answers 204",
    unit: "ms",
    ours: median(sides.ours),
    bare: median(sides.bare),
    target: { on: "ours", atMost: 150 },
    note: `bare: node:http in the Node that runs this; ${ROUNDS} rounds, the slowest ${quantile(sides.ours, 1).toFixed(0)} ms`,
  });

  const times: number[] = [];
  for (let round = 0; round <= CONTEXT_ROUNDS; round += 1) times.push(await timeContexts(installed.folder));
  const [first = Number.NaN, ...others] = times;
  report({
    what: "start until both default contexts are ready",
    unit: "ms",
    ours: median(others),
    target: { on: "ours", atMost: 1000 },
    note: `${CONTEXT_ROUNDS} rounds, the slowest ${quantile(others, 1).toFixed(0)} ms; the very first, not counted, ${first.toFixed(0)} ms`,
  });
}

async function timeOurs(installed: string): Promise<number> {
  const port = await freePort();
  const began = performance.now();
  const starting = startBuiltDaemon({ argv: ["--port", `${port}`], hasKernels: true, installed });
  const ms = await untilHealthy(port, began);
  await (await starting)[Symbol.asyncDispose]();
  return ms;
}

async function timeBare(): Promise<number> {
  const port = await freePort();
  const began = performance.now();
  const child = spawn(process.execPath, ["-e", BARE_SERVER, `${port}`], { stdio: "ignore" });
  const exited = once(child, "exit");
  const ms = await untilHealthy(port, began);
  child.kill("SIGKILL");
  await exited;
  return ms;
}

/** Ending it is not part of it. */
async function timeContexts(installed: string): Promise<number> {
  let place: AsyncDisposable | undefined;
  const ms = await timed(async () => (place = await startOwnContexts({ installed })));
  await place?.[Symbol.asyncDispose]();
  return ms;
}

async function untilHealthy(port: number, began: number): Promise<number> {
  while ((await health(port)) !== 204) {
    if (performance.now() - began > HEALTHY_MS) throw new Error(`nothing answers on port ${port}`);
    await pause(LOOK_MS);
  }
  return performance.now() - began;
}

/** The status, or undefined where nobody listens. */
async function health(port: number): Promise<number | undefined> {
  const { promise, resolve } = Promise.withResolvers<number | undefined>();
  get({ host: "127.0.0.1", port, path: "/health", agent: false }, (answer) => {
    answer.resume();
    resolve(answer.statusCode);
  }).on("error", () => resolve(undefined));
  return promise;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  await once(server.close(), "close");
  return port;
}
