import { chmodSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { startTestDaemon, type TestDaemon, until } from "../helpers/daemon.ts";
import { endedView, post, type RunView, startRun, viewOf } from "../helpers/native-runs.ts";
import { callRpc, watchDir } from "./watch-client.ts";

/*
 * Somebody sets the wall clock while things are waiting for their time, as happens after a resume. Only `Date` is replaced, which the
 * daemon of this process has in common with us, and goes on from where it was set; timers and the monotonic clock are the real ones.
 */

const HOUR_MS = 3_600_000;
/** Further than anything is kept for: a key is for 24 hours. */
const JUMP_MS = 25 * HOUR_MS;
const LIMIT_MS = 2000;
const IDLE_SECONDS = 2;
const KEEPALIVE_SECONDS = 1;
const KEYED = { "Idempotency-Key": "order 1" };
const LIMITS = ["timeoutMs", "idleTimeoutMs", "startTimeoutMs"] as const;

interface Scene {
  /** Real time from before each was asked for. */
  limited: { afterMs: number; view: RunView }[];
  keepalive: { afterMs: number; message: unknown };
  contextRemoved: { afterMs: number };
  /** What there was before the jump, looked at right after it. */
  kept: { run: string; isSameStart: boolean; watcher: number };
  started: string;
}

/** Real milliseconds since now. */
function stopwatch(): () => number {
  const beganAt = performance.now();
  return () => performance.now() - beganAt;
}

describe.each([
  ["forwards", JUMP_MS],
  ["backwards", -JUMP_MS],
])("when the wall clock is set %s", (_direction, byMs) => {
  let daemon: TestDaemon;
  let folder = "";
  let scene: Scene;

  beforeAll(async () => {
    vi.useFakeTimers({ toFake: ["Date"], shouldAdvanceTime: true });
    folder = mkdtempSync(join(tmpdir(), "guestd-clock-jump-"));
    chmodSync(folder, 0o777); // programs belong to the account `user`
    daemon = await startTestDaemon({ kernels: "toy", argv: ["--context-idle-seconds", String(IDLE_SECONDS)] });
    scene = await play();
  });
  afterAll(async () => {
    await daemon?.[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
    vi.useRealTimers();
  });

  async function play(): Promise<Scene> {
    const { url } = daemon;
    const file = join(folder, "started");
    const start = { shell: `echo started >> ${file}` };
    const over = await startRun(url, start, KEYED);
    await endedView(url, over.id);
    const { body: watcher } = await callRpc(url, "CreateWatcher", { path: folder });

    const contextMs = stopwatch();
    const { id } = (await (await post(url, "/v1/contexts", { language: "toy" })).json()) as { id: string };
    const limitedMs = stopwatch();
    const limited = await Promise.all(LIMITS.map((limit) => startRun(url, { shell: "sleep 600", [limit]: LIMIT_MS })));
    const pings = { "Keepalive-Ping-Interval": String(KEEPALIVE_SECONDS) };
    const streamMs = stopwatch();
    using stream = await watchDir(url, { path: folder }, pings);
    await stream.next();
    vi.setSystemTime(Date.now() + byMs);

    const pending = Promise.all([
      Promise.all(limited.map(async (run) => ({ view: await endedView(url, run.id), afterMs: limitedMs() }))),
      stream.next().then((message) => ({ message, afterMs: streamMs() })),
      until(() => daemon.log.some((line) => line["event"] === "context.removed" && line["contextId"] === id)).then(
        () => ({ afterMs: contextMs() }),
      ),
    ]);
    const again = await startRun(url, start, KEYED);
    const kept = {
      run: (await viewOf(url, over.id)).state,
      isSameStart: again.id === over.id,
      watcher: (await callRpc(url, "GetWatcherEvents", watcher)).status,
    };
    const [ends, keepalive, contextRemoved] = await pending;
    return { limited: ends, keepalive, contextRemoved, kept, started: readFileSync(file, "utf8") };
  }

  test("the daemon sees that", async () => {
    const { startedAt } = await startRun(daemon.url, { shell: "true" });
    const wasSetByMs = Date.parse(startedAt) - (performance.timeOrigin + performance.now());
    expect(Math.abs(wasSetByMs - byMs)).toBeLessThan(HOUR_MS);
  });

  test.each(LIMITS.entries().toArray())("a limit that was set before passes when it should (%i): %s", (index) => {
    const { afterMs, view } = scene.limited[index] as Scene["limited"][number];
    expect(view).toMatchObject({ state: "ended", ending: "timeout" });
    expect(afterMs).toBeGreaterThanOrEqual(LIMIT_MS);
    expect(Math.abs(view.usage?.wallMs ?? NaN)).toBeLessThan(HOUR_MS);
  });

  test("a silent stream is kept alive when it should", () => {
    expect(scene.keepalive.message).toEqual({ keepalive: {} });
    expect(scene.keepalive.afterMs).toBeGreaterThanOrEqual(KEEPALIVE_SECONDS * 1000);
  });

  test("an idle context is removed when it should, and not before", () => {
    expect(scene.contextRemoved.afterMs).toBeGreaterThanOrEqual(IDLE_SECONDS * 1000);
  });

  test("what had ended, what is watched and what was started once is not forgotten", () => {
    expect(scene.kept).toEqual({ run: "ended", isSameStart: true, watcher: 200 });
    expect(scene.started).toBe("started\n");
  });
});
