import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { childrenOf, isRunning } from "../../../src/host/process-tree.ts";
import { ContextsPlace, resultIn, TOY_ANSWER } from "../../helpers/contexts-place.ts";
import { until } from "../../helpers/daemon.ts";

let place: ContextsPlace;
beforeEach(() => {
  place = new ContextsPlace();
  place.addKernel("quick", `echo '${TOY_ANSWER}'`, { isDefault: true });
  place.addKernel("spared", `echo '${TOY_ANSWER}'`, { spares: "always" });
});
afterEach(async () => place[Symbol.asyncDispose]());

const NO_LIMITS = { maxContexts: 100, idleMs: 0, whenMemoryIsLow: "create" } as const;
const logged = (event: string): unknown[] => place.lines.filter((line) => line["event"] === event);

describe("the number of contexts", () => {
  test("is limited, those that are being created included; the error names the limit and what to do", async () => {
    const contexts = place.open({ limits: { ...NO_LIMITS, maxContexts: 2 } });
    const made = await Promise.allSettled([1, 2, 3].map(() => contexts.create({ language: "quick" })));
    expect(made.map(({ status }) => status)).toEqual(["fulfilled", "fulfilled", "rejected"]);
    await expect(contexts.default("quick")).rejects.toMatchObject({
      code: "resource_exhausted",
      reason: "too_many_contexts",
      message: "there are as many code contexts as may be: 2",
      hint: expect.stringContaining("--max-contexts") as string,
    });
    contexts.remove(contexts.list()[0]?.id ?? "");
    expect(await resultIn(await contexts.default("quick"), "result 1")).toBe("1");
  });
});

describe("an idle context", () => {
  test("is removed when it has run nothing for long enough, the default one too, which then comes back", async () => {
    const contexts = place.open({ limits: { ...NO_LIMITS, idleMs: 100 } });
    const { id } = await contexts.default("quick");
    await until(() => contexts.list().length === 0);
    expect(logged("context.removed")).toMatchObject([{ contextId: id, reason: "it was idle" }]);
    expect(await resultIn(await contexts.default("quick"), "result back")).toBe("back");
  });

  test("is none while a cell runs, however long that takes", async () => {
    const contexts = place.open({ limits: { ...NO_LIMITS, idleMs: 100 } });
    const busy = await contexts.create({ language: "quick" });
    const stop = new AbortController();
    const run = busy.execute({ code: "sleep 600000", envs: {} }, stop.signal);
    const other = await contexts.create({ language: "quick" });
    await until(() => !contexts.list().includes(other));
    expect(contexts.list()).toEqual([busy]);
    stop.abort();
    expect((await run.ended).ending).toMatchObject({ type: "cancelled" });
    await until(() => contexts.list().length === 0);
  });
});

/** Kernels that run: each has a shim that is our child. */
const kernels = (): number => childrenOf(process.pid).filter(isRunning).length;

describe("a kernel is kept ready", () => {
  test("for languages that want it after use, for as long as that is not long ago", async () => {
    place.addKernel("rare", `echo '${TOY_ANSWER}'`, { spares: "afterUse" });
    const contexts = place.open({ spareIdleMs: 1000 });
    await contexts.create({ language: "rare" });
    await until(() => kernels() === 2);
    await until(() => kernels() === 1);
    await contexts.create({ language: "rare" });
    await until(() => kernels() === 3);
  });

  test("not after the one that guestd itself takes at its start, unless always", async () => {
    place.addKernel("early", `echo '${TOY_ANSWER}'`, { spares: "afterUse", isDefault: true });
    const contexts = place.open();
    await contexts.createDefaults();
    // Its spare would have come first.
    await contexts.create({ language: "spared" });
    await until(() => kernels() === contexts.list().length + 1);
    expect(contexts.list().map(({ language }) => language)).toEqual(["early", "quick", "spared"]);
    await contexts.create({ language: "early" });
    await until(() => kernels() === contexts.list().length + 2);
  });

  test("as many as are wanted, none for a language that wants none", async () => {
    const contexts = place.open({ spareKernels: 2 });
    await contexts.create({ language: "spared" });
    await until(() => kernels() === 3);
    await contexts.create({ language: "quick" });
    await until(() => kernels() === 4);
    expect(await resultIn(await contexts.create({ language: "spared" }), "cwd")).toBe(place.exec.defaultUser.home);
    await until(() => kernels() === 5);
  });

  test("but nobody waits for one that does not answer", async () => {
    let looks = 0;
    const contexts = place.open({ spareKernels: 2, hasFreeMemory: () => (looks += 1) === 1, answerMs: 200 });
    await contexts.create({ language: "spared" });
    await until(() => looks === 2); // there is one, and no memory for another
    const stopped = childrenOf(process.pid).flatMap(childrenOf);
    for (const pid of stopped) process.kill(pid, "SIGSTOP");
    expect(await resultIn(await contexts.create({ language: "spared" }), "result 1")).toBe("1");
    await until(() => stopped.filter(isRunning).length === 1); // what could not be used is no more
  });
});

describe("while memory is short", () => {
  test("contexts are created all the same unless told", async () => {
    const contexts = place.open({ hasFreeMemory: () => false });
    expect(await resultIn(await contexts.create({ language: "quick" }), "result 1")).toBe("1");
  });

  test("contexts may be refused, but for default ones", async () => {
    const contexts = place.open({
      limits: { ...NO_LIMITS, whenMemoryIsLow: "refuse" },
      hasFreeMemory: () => false,
    });
    await contexts.default("quick");
    await expect(contexts.create({ language: "quick" })).rejects.toMatchObject({
      code: "resource_exhausted",
      reason: "low_memory",
      hint: expect.stringContaining("--low-memory-contexts") as string,
    });
  });

  test("the context that is idle longest may make way, never a default or a busy one", async () => {
    let isShort = false;
    const contexts = place.open({
      limits: { ...NO_LIMITS, whenMemoryIsLow: "evict" },
      hasFreeMemory: () => !isShort,
    });
    const byDefault = await contexts.default("quick");
    const [first, second] = [
      await contexts.create({ language: "quick" }),
      await contexts.create({ language: "quick" }),
    ];
    await resultIn(first, "result 1"); // it is the second now that has been idle longer
    isShort = true;
    const third = await contexts.create({ language: "quick" });
    expect(contexts.list()).toEqual([byDefault, first, third]);
    expect(logged("context.removed")).toMatchObject([{ contextId: second.id, reason: "memory is short" }]);
    const stop = new AbortController();
    const runs = [first, third].map((context) => context.execute({ code: "sleep 600000", envs: {} }, stop.signal));
    await expect(contexts.create({ language: "quick" })).rejects.toMatchObject({ reason: "low_memory" });
    stop.abort();
    await Promise.all(runs.map((run) => run.ended));
  });

  test("no kernel is kept ready, and those that are there make way", async () => {
    let isShort = true;
    let looks = 0;
    const contexts = place.open({
      hasFreeMemory: () => {
        looks += 1;
        return !isShort;
      },
      memoryLookMs: 20,
    });
    await contexts.create({ language: "spared" });
    await until(() => looks > 0); // it was about to make one
    isShort = false;
    await contexts.create({ language: "spared" });
    const before = looks;
    await until(() => looks > before + 3); // it made one, and looks after it
    isShort = true;
    await until(() => logged("kernel.spares_dropped").length === 1);
    expect(await resultIn(await contexts.create({ language: "spared" }), "result 1")).toBe("1");
  });
});
