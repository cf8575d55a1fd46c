import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, closeSync, existsSync, openSync, unlinkSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { until } from "../helpers/daemon.ts";
import { ProcessMark } from "../helpers/marked-processes.ts";
import { STALLING_BYTES, StallingReader } from "../helpers/stalling-reader.ts";
import { type GitPlace, SECRET, setVariables, startGitPlace } from "./git-place.ts";

interface Event {
  type: string;
  stage?: string;
  done?: number;
  [member: string]: unknown;
}

const STAGE = "so far ".repeat(130);
const STEPS = 3 * Math.ceil(STALLING_BYTES / STAGE.length);
/**
 * A server that says so much of its progress, each step by itself, that a client who does not read is stalled long before the last. Where
 * there is a pipe `turns` beside it, each step waits for a byte from there.
 */
const TALKING = `#!/usr/bin/python3
import os, sys, time
path = os.path.join(os.path.dirname(__file__), "turns")
turns = open(path, "rb", 0) if os.path.exists(path) else None
for step in range(1, ${STEPS} + 1):
    sys.stderr.write("${STAGE.trim()}: %d%% (%d/${STEPS})\\n" % (step * 100 // ${STEPS}, step)); sys.stderr.flush()
    turns.read(1) if turns else time.sleep(0.001)
os.execvp(sys.argv[1], sys.argv[1:])
`;

/** Of everything that the daemon starts. */
const mark = new ProcessMark();
let place: GitPlace;
beforeAll(async () => {
  place = await startGitPlace();
  await setVariables(place, mark.envs);
  place.server.packer = join(place.folder, "talking");
  writeFileSync(place.server.packer, TALKING);
  chmodSync(place.server.packer, 0o755);
});
afterAll(async () => place[Symbol.asyncDispose]());

const hasPrograms = (): boolean => mark.holders().length > 0;

function beginClone(path: string): Promise<StallingReader> {
  return StallingReader.open(place.socketPath, {
    method: "POST",
    path: "/v1/git/clone",
    headers: { "Content-Type": "application/json", Accept: "application/x-ndjson" },
    body: JSON.stringify({ url: place.url(), path, user: "user", credentials: SECRET }),
  });
}

async function readAll(
  reader: StallingReader,
  onStep?: () => void,
): Promise<{ last: Event | undefined; steps: number[] }> {
  const steps: number[] = [];
  let last: Event | undefined;
  for await (const event of reader.events<Event>()) {
    last = event;
    if (!event.stage?.endsWith(STAGE.trim())) continue;
    steps.push(event.done ?? 0);
    onStep?.();
  }
  return { last, steps };
}

test("a reader who keeps up is told of all that git says", async () => {
  const path = join(place.folder, "turns");
  execFileSync("mkfifo", [path]);
  const turns = openSync(path, "r+");
  using reader = await beginClone(join(place.folder, "read"));
  const { last, steps } = await readAll(reader, () => void writeSync(turns, "."));
  closeSync(turns);
  unlinkSync(path);
  expect(last).toMatchObject({ type: "result", branch: "main" });
  expect(reader.bytes).toBeGreaterThan(STALLING_BYTES);
  expect(steps).toEqual(Array.from({ length: STEPS }, (_, index) => index + 1));
});

test.each([
  ["is done", "resume", { type: "result", branch: "main" }],
  ["fails", "cut", { type: "error", status: 503, reason: "network" }],
])("one who stalls holds up no clone, and is told in the end that it %s", async (_name, how, expected) => {
  place.server.isStalling = true;
  const path = join(place.folder, how);
  const stalled = once(place.server.events, "stalled");
  using reader = await beginClone(path);
  await stalled;
  place.server.events.emit(how);
  await until(() => !hasPrograms());
  const { last, steps } = await readAll(reader);
  expect(last).toMatchObject(expected);
  expect(existsSync(path)).toBe(how === "resume");
  // What came while he did not read was kept by nobody.
  expect(reader.bytes).toBeLessThan(STALLING_BYTES);
  expect(steps.length).toBeLessThan(STEPS / 2);
});

test("one who stalls and leaves ends the clone", async () => {
  place.server.isStalling = true;
  const path = join(place.folder, "left");
  const stalled = once(place.server.events, "stalled");
  {
    using _reader = await beginClone(path);
    await stalled;
    expect(hasPrograms()).toBe(true);
  }
  await until(() => !hasPrograms() && !existsSync(path));
});
