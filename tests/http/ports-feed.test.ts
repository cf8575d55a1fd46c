import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempDisposableSync, openSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { PortFeedEvent } from "../../src/contracts/ports.ts";
import { bind, check, type IntCall } from "../../src/host/libc-binding.ts";
import { startTestDaemon, type TestDaemon, until } from "../helpers/daemon.ts";
import { STALLING_BYTES, StallingReader } from "../helpers/stalling-reader.ts";
import { startServer } from "./port-servers.ts";

const place = mkdtempDisposableSync(join(tmpdir(), "guestd-ports-"));
const socketPath = join(place.path, "guestd.sock");
let daemon: TestDaemon;
beforeAll(async () => void (daemon = await startTestDaemon({ argv: ["--listen", `unix:${socketPath}`] })));
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  place.remove();
});

const FEED = "/v1/ports?follow=1";
const SOCKETS = 400;
/** Several looks at what listens. */
const WHILE_SECONDS = "0.5";

const native = {
  dup2: bind<IntCall<[number, number]>>("int dup2(int from, int to)"),
  getrlimit: bind<IntCall<[number, Buffer]>>("int getrlimit(int resource, void *limit)"),
  setrlimit: bind<IntCall<[number, Buffer]>>("int setrlimit(int resource, void *limit)"),
};
const RLIMIT_NOFILE = 7;
const NETLINK_SOCK_DIAG = "4";

/** Listens on so many ports, or on none of them, in turn: at each line that it gets, and says so. */
const TOGGLING = `
import socket, sys
held = []
for _ in sys.stdin:
    if held:
        for server in held: server.close()
        held = []
    else:
        for _ in range(${SOCKETS}):
            server = socket.socket(); server.bind(("127.0.0.1", 0)); server.listen(1); held.append(server)
    print(*[server.getsockname()[1] for server in held], flush=True)
`;

class TogglingServer implements Disposable {
  readonly #child: ChildProcess = spawn("/usr/bin/python3", ["-c", TOGGLING], { stdio: ["pipe", "pipe", "inherit"] });
  readonly #lines = createInterface({ input: this.#child.stdout ?? process.stdin });

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** The ports it listens on now. */
  async toggle(): Promise<number[]> {
    const told = once(this.#lines, "line");
    this.#child.stdin?.write("\n");
    const [line] = (await told) as [string];
    return line.split(" ").filter(Boolean).map(Number);
  }

  [Symbol.dispose](): void {
    this.#child.kill("SIGKILL");
  }
}

/** What a follower of the feed takes for open ports of one process. */
class View {
  readonly open = new Set<number>();
  readonly #pid: number;

  constructor(pid: number) {
    this.#pid = pid;
  }

  take(event: PortFeedEvent): void {
    if (event.type !== "opened" && event.type !== "closed") return;
    if (event.pid !== this.#pid) return;
    if (event.type === "opened") this.open.add(event.port);
    else this.open.delete(event.port);
  }

  has(ports: readonly number[]): boolean {
    return ports.length === this.open.size && ports.every((port) => this.open.has(port));
  }
}

const follow = (): Promise<StallingReader> => StallingReader.open(socketPath, { path: FEED });

/** Lets ports come and go until a follower that does not read is stalled; `open` are those that are there in the end. */
async function changeUntilStalled(server: TogglingServer): Promise<{ open: number[]; toldBytes: number }> {
  using healthy = await follow();
  const view = new View(server.pid);
  const reading = (async () => {
    for await (const event of healthy.events<PortFeedEvent>()) view.take(event);
  })().catch(() => undefined); // it is cut off at the end
  let open: number[] = [];
  while (healthy.bytes < 4 * STALLING_BYTES || open.length === 0) {
    open = await server.toggle();
    await until(() => view.has(open));
  }
  healthy[Symbol.dispose]();
  await reading;
  return { open, toldBytes: healthy.bytes };
}

test("a follower that stalls holds up nobody, and is told what is true when it reads on", async () => {
  using server = new TogglingServer();
  using stalled = await follow();
  const { open, toldBytes } = await changeUntilStalled(server);
  const view = new View(server.pid);
  for await (const event of stalled.events<PortFeedEvent>()) {
    view.take(event);
    if (view.has(open)) break;
  }
  // What has come and gone meanwhile was kept by nobody.
  expect(stalled.bytes).toBeLessThan(toldBytes / 2);
});

test("nobody looks any more when the last follower has gone, also one that did not read", async () => {
  using server = new TogglingServer();
  using stalled = await follow();
  await changeUntilStalled(server);
  takeQuestions();
  await until(() => questions().length === 1);
  stalled[Symbol.dispose]();
  await until(async () => {
    takeQuestions();
    await once(spawn("sleep", [WHILE_SECONDS]), "exit");
    return questions().length === 0;
  });
});

test("a look that fails ends nobody's feed: it goes on with the first that succeeds", async () => {
  using reader = await follow();
  const events = reader.events<PortFeedEvent>();
  const untilSeen = async (isIt: (event: PortFeedEvent) => boolean): Promise<void> => {
    for (;;) {
      const { value } = await events.next();
      if (value && isIt(value)) return;
    }
  };
  await untilSeen(({ type }) => type === "ready");
  {
    takeQuestions();
    using _lack = noFreeDescriptors();
    await until(() => failures().length > 0);
  }
  expect(failures()).toEqual([expect.objectContaining({ error: expect.stringMatching(/too many open files/i) })]);
  await using run = await startServer(daemon);
  await untilSeen((event) => event.type === "opened" && event.port === run.port);
});

const failures = (): object[] => daemon.log.filter(({ event }) => event === "ports.look_failed");

/** Descriptors on which this process, which the daemon runs in, asks the kernel what listens. */
function questions(): number[] {
  const lines = readFileSync("/proc/net/netlink", "latin1").split("\n");
  const fields = lines.map((line) => line.trim().split(/\s+/));
  const links = new Set(
    fields.filter(([, protocol]) => protocol === NETLINK_SOCK_DIAG).map((of) => `socket:[${of.at(-1)}]`),
  );
  return readdirSync("/proc/self/fd")
    .filter((fd) => links.has(linkOf(fd)))
    .map(Number);
}

/** It cannot ask on them any more: the next look opens another. */
function takeQuestions(): void {
  const nothing = openSync("/dev/null", "r");
  for (const fd of questions()) check(native.dup2(nothing, fd), "dup2");
  closeSync(nothing);
}

/** Nothing can be opened by this process until it is disposed. */
function noFreeDescriptors(): Disposable {
  const before = Buffer.alloc(16);
  check(native.getrlimit(RLIMIT_NOFILE, before), "getrlimit");
  const none = Buffer.from(before);
  none.writeBigUInt64LE(3n, 0);
  check(native.setrlimit(RLIMIT_NOFILE, none), "setrlimit");
  return { [Symbol.dispose]: () => void check(native.setrlimit(RLIMIT_NOFILE, before), "setrlimit") };
}

function linkOf(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return ""; // the one of the listing itself
  }
}
