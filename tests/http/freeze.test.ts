import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempDisposableSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { processState } from "../../src/host/process-tree.ts";
import { startTestDaemon, type TestDaemon, until } from "../helpers/daemon.ts";
import { otherCgroup } from "../helpers/other-cgroup.ts";
import { endedView, outputOf, post, removeRun, type RunView, startRun, untilPrinted } from "../helpers/native-runs.ts";

const TOKEN = "tok-freeze-5b1d";
const COUNTING = "i=0; while :; do i=$((i+1)); echo $i; sleep 0.01; done";
/** Longer than the limits of this file: another process is what tells that the time is over. */
const WHILE_SECONDS = "0.7";

let daemon: TestDaemon;
beforeAll(async () => void (daemon = await startTestDaemon()));
afterAll(() => daemon[Symbol.asyncDispose]());
afterEach(async () => {
  await freeze("/unfreeze");
  const { runs } = (await (await daemon.fetch("/v1/runs")).json()) as { runs: { id: string }[] };
  await Promise.all(runs.map(({ id }) => removeRun(daemon.url, id)));
});

function freeze(path = "/freeze?maxWaitMs=5000", init: RequestInit = {}): Promise<Response> {
  return daemon.fetch(path, { method: "POST", ...init });
}

async function aWhile(): Promise<void> {
  await once(spawn("sleep", [WHILE_SECONDS]), "exit");
}

describe("/freeze and /unfreeze", () => {
  test("answer in the contract's words", async () => {
    const run = await startRun(daemon.url, { shell: COUNTING });
    await untilPrinted(daemon.url, run.id, /^2$/m);
    const plain = await freeze("/freeze");
    expect([plain.status, plain.headers.get("cache-control"), await plain.text()]).toEqual([204, "no-store", ""]);
    for (const query of ["maxWaitMs=0", "maxWaitMs=-3", "maxWaitMs=", "maxWaitMs=soon"]) {
      expect((await freeze(`/freeze?${query}`)).status).toBe(204);
    }
    const answer = await freeze("/freeze?mode=hierarchy&maxCgroups=100000&maxWaitMs=5000");
    expect([answer.status, await answer.json()]).toEqual([
      200,
      {
        mode: "hierarchy",
        visited: 1,
        allowlisted: 0,
        truncated: false,
        preFrozen: 0,
        requested: 1,
        frozen: 1,
        notFrozen: 0,
        failed: 0,
        unobservable: 0,
        sweepMs: expect.any(Number),
        waitMs: expect.any(Number),
      },
    ]);
    expect(await (await freeze("/freeze?mode=whatever&maxWaitMs=5000")).json()).toMatchObject({ mode: "legacy" });
    expect([(await freeze("/unfreeze")).status, (await freeze("/unfreeze")).status]).toEqual([204, 204]);
    const { length } = await outputOf(daemon.url, run.id);
    await until(async () => (await outputOf(daemon.url, run.id)).length > length);
  });

  test("no limit of a run passes meanwhile, and the rest of it does afterwards", async () => {
    const limits = [{ timeoutMs: 600 }, { idleTimeoutMs: 600 }, { startTimeoutMs: 600 }];
    const runs = await Promise.all(limits.map((limit) => startRun(daemon.url, { shell: "sleep 60", ...limit })));
    await freeze();
    await aWhile();
    const meanwhile = (await (await daemon.fetch("/v1/runs")).json()) as { runs: RunView[] };
    expect(meanwhile.runs.map(({ state }) => state)).toEqual(["running", "running", "running"]);
    await freeze("/unfreeze");
    const ends = await Promise.all(runs.map(({ id }) => endedView(daemon.url, id)));
    expect(ends.map(({ ending, detail }) => [ending, detail])).toEqual([
      ["timeout", expect.stringContaining("wall")],
      ["timeout", expect.stringContaining("idle")],
      ["timeout", expect.stringContaining("start")],
    ]);
  });

  test("what is started meanwhile starts at the thaw", async () => {
    await freeze();
    let isOver = false;
    const result = post(daemon.url, "/v1/run", { cmd: "echo", args: ["hello"] }).then(async (answer) => {
      isOver = true;
      return answer.text();
    });
    await aWhile();
    expect(isOver).toBe(false);
    await freeze("/unfreeze");
    expect(await result).toBe("hello\n");
  });

  test("SIGKILL and removal end what is frozen", async () => {
    const [first, second] = [
      await startRun(daemon.url, { cmd: "sleep", args: ["60"] }),
      await startRun(daemon.url, { cmd: "sleep", args: ["60"] }),
    ];
    await freeze();
    const signal = { signal: "SIGKILL" };
    expect((await post(daemon.url, `/v1/runs/${first.id}/signal`, signal)).status).toBe(200);
    expect(await endedView(daemon.url, first.id)).toMatchObject({ ending: "signaled", signal: "SIGKILL" });
    await removeRun(daemon.url, second.id);
  });

  test("what is started meanwhile and is not waited for any more never starts, but for one with a key", async () => {
    using place = mkdtempDisposableSync(join(tmpdir(), "guestd-freeze-"));
    chmodSync(place.path, 0o777);
    const file = join(place.path, "ran");
    const shell = (word: string): object => ({ shell: `echo ${word} >> ${file}` });
    await freeze();
    const caller = new AbortController();
    const { signal } = caller;
    const start = (path: string, body: object, headers: Record<string, string> = {}): Promise<Response> => {
      const all = { "Content-Type": "application/json", ...headers };
      return daemon.fetch(path, { method: "POST", headers: all, body: JSON.stringify(body), signal });
    };
    const connect = { process: { cmd: "/bin/sh", args: ["-c", `echo connect >> ${file}`] } };
    const message = Buffer.from(JSON.stringify(connect));
    const size = Buffer.alloc(5);
    size.writeUInt32BE(message.length, 1);
    const calls = [
      start("/v1/run", shell("plain")),
      start("/v1/run", shell("keyed"), { "Idempotency-Key": "freeze" }),
      daemon.fetch("/process.Process/Start", {
        method: "POST",
        headers: { "Content-Type": "application/connect+json", "Connect-Protocol-Version": "1" },
        body: Buffer.concat([size, message]),
        signal,
      }),
    ];
    for (const call of calls) call.catch(() => undefined);
    const states = async (): Promise<(string | null)[]> =>
      ((await (await daemon.fetch("/v1/runs")).json()) as { runs: RunView[] }).runs.map(({ ending }) => ending);
    await until(async () => (await states()).length === 3);
    caller.abort();
    await until(async () => (await states()).filter((ending) => ending === "cancelled").length === 2);
    await freeze("/unfreeze");
    const again = await daemon.fetch("/v1/run", {
      method: "POST",
      headers: { "Content-Type": "application/json", "Idempotency-Key": "freeze" },
      body: JSON.stringify(shell("keyed")),
    });
    expect(await again.text()).toBe("");
    expect(readFileSync(file, "utf8")).toBe("keyed\n");
  });

  test("a wait whose caller goes away ends, and the next call has its turn", async (context) => {
    // A process in vfork(2) stops when its child has executed a program, which this one never does.
    const vfork = "import ctypes, time; ctypes.CDLL(None).syscall(56, 0x4000 | 17, 0, 0, 0, 0) or time.sleep(600)";
    if (process.arch !== "x64") context.skip();
    const run = await startRun(daemon.url, { cmd: "python3", args: ["-c", vfork] });
    await until(() => processState(run.pid) === "D");
    await using _group = otherCgroup([run.pid]);
    const caller = new AbortController();
    const left = freeze("/freeze?maxWaitMs=60000", { signal: caller.signal });
    left.catch(() => undefined);
    const started = post(daemon.url, "/v1/run", { cmd: "true" });
    const isWaiting = async (): Promise<boolean> =>
      ((await (await daemon.fetch("/v1/runs")).json()) as { runs: RunView[] }).runs.length === 2;
    await until(isWaiting);
    caller.abort();
    await expect(left).rejects.toThrow("aborted");
    const next = await freeze("/freeze?maxWaitMs=1");
    expect([next.status, await next.json()]).toEqual([200, expect.objectContaining({ notFrozen: 1 })]);
    expect((await freeze("/unfreeze")).status).toBe(204);
    expect((await started).status).toBe(200);
  });

  test("need the token, as everything", async () => {
    await using closed = await startTestDaemon({ env: { GUESTD_TOKEN: TOKEN } });
    const paths = ["/freeze", "/unfreeze", "/collapse", "/fsfreeze", "/fsthaw", "/upgrade"];
    const answers = await Promise.all(paths.map((path) => closed.fetch(path, { method: "POST" })));
    expect(answers.map(({ status }) => status)).toEqual(paths.map(() => 401));
  });
});

describe("/init", () => {
  test("thaws in the end, also when it is stale or wrong, and tells what it found", async () => {
    const run = await startRun(daemon.url, { shell: COUNTING });
    await untilPrinted(daemon.url, run.id, /^2$/m);
    const fresh = await post(daemon.url, "/init", { timestamp: "2026-11-29T10:00:00Z" });
    expect([fresh.status, fresh.headers.get("x-envd-freeze-audit")]).toEqual([204, null]);
    for (const body of [{ timestamp: "2020-01-01T00:00:00Z" }, { envVars: { "A=B": "c" } }]) {
      await freeze();
      const { length } = await outputOf(daemon.url, run.id);
      const answer = await post(daemon.url, "/init", body);
      const audit = answer.headers.get("x-envd-freeze-audit");
      if (answer.status === 204)
        expect(JSON.parse(audit ?? "")).toMatchObject({ escaped: 0, violations: 0, truncated: false });
      else expect([answer.status, audit]).toEqual([400, null]);
      await until(async () => (await outputOf(daemon.url, run.id)).length > length);
    }
  });

  test("does not thaw for who may not call it", async () => {
    await using closed = await startTestDaemon({ env: { GUESTD_TOKEN: TOKEN } });
    const headers = { "X-Access-Token": TOKEN };
    await closed.fetch("/freeze", { method: "POST", headers });
    expect((await closed.fetch("/init", { method: "POST" })).status).toBe(401);
    let isOver = false;
    const run = closed.fetch("/v1/run", { method: "POST", headers, body: "echo hello" }).then((answer) => {
      isOver = true;
      return answer.text();
    });
    await aWhile();
    expect(isOver).toBe(false);
    expect((await closed.fetch("/init", { method: "POST", body: JSON.stringify({ accessToken: TOKEN }) })).status).toBe(
      204,
    );
    expect(await run).toBe("hello\n");
  });
});

describe("the rest of what control planes ask for", () => {
  test("/collapse says that nothing was done", async () => {
    const answer = await freeze("/collapse");
    const nothing = { regions: 0, chunks: 0, collapsed: 0, alreadyHuge: 0, skipped: 0, elapsedMs: 0 };
    expect([answer.status, await answer.json()]).toEqual([200, nothing]);
  });

  test("/upgrade is refused before the first /init, for other programs, and then", async () => {
    await using fresh = await startTestDaemon();
    const upgrade = async (headers: Record<string, string> = {}): Promise<[number, string]> => {
      const answer = await fresh.fetch("/upgrade", { method: "POST", headers, body: Buffer.alloc(100_000) });
      return [answer.status, await answer.text()];
    };
    expect(await upgrade()).toEqual([409, "envd not initialized"]);
    await fresh.fetch("/init", { method: "POST" });
    expect(await upgrade({ "X-Envd-Upgrade-Bin": "/bin/sh" })).toEqual([400, "unsupported upgrade target"]);
    const [status, body] = await upgrade({ "X-Envd-Upgrade-Bin": "/usr/bin/envd.next" });
    expect([status, JSON.parse(body)]).toEqual([
      501,
      { code: 501, message: expect.stringContaining("cannot be replaced") },
    ]);
  });
});
