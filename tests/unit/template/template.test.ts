import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ExecContext } from "../../../src/host/exec-context.ts";
import type { Launcher } from "../../../src/host/launcher.ts";
import { OomWatch } from "../../../src/host/oom.ts";
import { isRunning } from "../../../src/host/process-tree.ts";
import { createLogger } from "../../../src/log.ts";
import { Processes } from "../../../src/processes/processes.ts";
import { Runs } from "../../../src/runs/runs.ts";
import { SpillBudget } from "../../../src/runs/spill-file.ts";
import { Template, type TemplateOptions } from "../../../src/template/template.ts";
import { until } from "../../helpers/daemon.ts";
import { createLauncher, users } from "../host/programs.ts";

let launcher: Launcher;
const folder = mkdtempSync(join(tmpdir(), "guestd-template-"));
beforeAll(() => {
  launcher = createLauncher();
});
afterAll(async () => {
  await launcher[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

interface Place extends AsyncDisposable {
  template: Template;
  runs: Runs;
  log: Record<string, unknown>[];
  events(name: string): Record<string, unknown>[];
}

/** No login shell: what a profile does is no matter of these tests, and some do not survive their end in the middle. */
const shell = (commandLine: string): { cmd: string; args: string[] } => ({ cmd: "/bin/sh", args: ["-c", commandLine] });

type Wishes = Partial<Pick<TemplateOptions, "startCommand" | "readyCommand" | "restart" | "tryMs">>;

/** A template that has begun; programs start in `directory`. */
function begin(wishes: Wishes, directory?: string): Place {
  const place = create(wishes, directory);
  place.template.begin();
  return place;
}

function create(wishes: Wishes, directory = "/"): Place {
  const log: Record<string, unknown>[] = [];
  const write = (line: string): void => void log.push(JSON.parse(line) as Record<string, unknown>);
  const logger = createLogger({ level: "info", format: "json", write });
  const runs = new Runs({
    launcher,
    oom: new OomWatch({}),
    budget: new SpillBudget({ directory: folder, limitBytes: 2 ** 26 }),
    limits: { memoryBytes: 2 ** 18, diskBytes: 2 ** 24 },
    retention: { maxAgeMs: 3_600_000, maxFinished: 100 },
    log: logger,
  });
  const exec = new ExecContext({
    users,
    path: "/usr/bin:/bin",
    defaultUser: users.self().name,
    defaultDirectory: directory,
  });
  const processes = new Processes({ runs, exec });
  const defaults = { startCommand: undefined, readyCommand: undefined, restart: "never" as const };
  const template = new Template({ processes, runs, log: logger, shell, ...defaults, ...wishes });
  return {
    template,
    runs,
    log,
    events: (name) => log.filter(({ event }) => event === name),
    async [Symbol.asyncDispose]() {
      await template[Symbol.asyncDispose]();
      await runs[Symbol.asyncDispose]();
    },
  };
}

let files = 0;
/** A path where nothing is. */
function fresh(): string {
  files += 1;
  return join(folder, `${files}`);
}

function lines(path: string): string[] {
  return existsSync(path) ? readFileSync(path, "utf8").split("\n").filter(Boolean) : [];
}

test.each<[string, Wishes]>([
  ["ready", {}],
  ["starting", { startCommand: "exec sleep 600" }],
  ["starting", { readyCommand: "true" }],
])("it is %s before it begins with %o", async (state, wishes) => {
  await using place = create(wishes);
  expect(place.template.state).toEqual({ state, why: undefined, runId: undefined, restarts: 0 });
});

test("what a run has left behind is ended before the next one", async () => {
  const [pids, seen] = [fresh(), fresh()];
  // The second run looks whether the child of the first is still there.
  const startCommand = `test -s ${pids} && { kill -0 $(cat ${pids}) 2>/dev/null && echo there || echo gone; } >>${seen}
    sleep 600 & echo $! >${pids}; test -s ${seen} && exec sleep 600; exit 1`;
  await using place = begin({ startCommand, restart: "on-failure" });
  await until(() => lines(seen).length === 1);
  expect(lines(seen)).toEqual(["gone"]);
  expect(place.template.state.restarts).toBe(1);
});

test("it is not ready from the end of a run until the ready check of the next one has succeeded", async () => {
  const [isUp, mayBeUp] = [fresh(), fresh()];
  writeFileSync(mayBeUp, "");
  await using place = begin({
    startCommand: `test -e ${mayBeUp} && touch ${isUp}; exec sleep 600`,
    readyCommand: `test -e ${isUp}`,
    restart: "always",
  });
  const { template, runs } = place;
  await until(() => template.state.state === "ready");
  rmSync(isUp);
  rmSync(mayBeUp);
  const first = runs.get(template.state.runId ?? "");
  await first.signal("SIGKILL", { scope: "leader", waitMs: 0 });
  await until(() => template.state.runId !== first.id);
  await until(() => template.state.why?.startsWith("the ready command") ?? false);
  expect(template.state.state).toBe("starting");
  writeFileSync(isUp, "");
  await until(() => template.state.state === "ready");
  expect(place.events("ready_command.succeeded")).toHaveLength(2);
});

test("a restart loop is not ready in its pauses", async () => {
  await using place = begin({ startCommand: "echo no luck >&2; exit 3", restart: "always" });
  await until(() => place.template.state.restarts >= 2);
  await until(() => place.template.state.state === "starting");
  expect(place.template.state.why).toBe("the start command has ended: exit status 3: no luck");
});

test("the ready check ends with the start command's last hope, and nothing of it is left", async () => {
  const pid = fresh();
  const readyCommand = `echo $$ >${pid}; exec sleep 600`;
  await using place = begin({ startCommand: `until test -s ${pid}; do sleep 0.01; done; exit 4`, readyCommand });
  await until(() => place.template.state.state === "failed");
  expect(place.template.state.why).toBe("the start command has ended: exit status 4");
  expect(isRunning(Number(lines(pid)[0]))).toBe(false);
  expect(place.runs.list().map(({ config }) => config.tag)).toEqual(["start-cmd"]);
});

test("one that does its work and ends is waited for by its ready check", async () => {
  const flag = fresh();
  await using place = begin({ startCommand: "true", readyCommand: `test -e ${flag}` });
  await until(() => place.events("start_command.ended").length === 1);
  await until(() => place.template.state.why !== undefined);
  expect(place.template.state.state).toBe("starting");
  // To forget that it was run stops nothing.
  await place.runs.remove(place.runs.get(place.template.state.runId ?? ""), "a test");
  writeFileSync(flag, "");
  await until(() => place.template.state.state === "ready");
});

test("why it is not ready is told: in full to whoever may ask, and each change once in the log", async () => {
  const how = fresh();
  writeFileSync(how, "7");
  await using place = begin({ readyCommand: `echo "a secret" >&2; exit $(cat ${how})` });
  await until(() => place.template.state.why === "the ready command: exit status 7: a secret");
  writeFileSync(how, "8");
  await until(() => place.template.state.why === "the ready command: exit status 8: a secret");
  writeFileSync(how, "0");
  await until(() => place.template.state.state === "ready");
  expect(place.template.state.why).toBeUndefined();
  expect(place.events("ready_command.failed").map(({ error }) => error)).toEqual(["exit status 7", "exit status 8"]);
  expect(JSON.stringify(place.log)).not.toContain("secret");
});

test("a try that takes too long has failed, and what it has started is ended", async () => {
  const pids = fresh();
  const readyCommand = `sleep 600 & echo $! >>${pids}; test $(wc -l <${pids}) -gt 1 || wait`;
  await using place = begin({ readyCommand, tryMs: 300 });
  await until(() => place.template.state.why === "the ready command: it took too long");
  await until(() => place.template.state.state === "ready");
  expect(lines(pids)).toHaveLength(2);
  expect(lines(pids).filter((pid) => isRunning(Number(pid)))).toEqual([]);
  expect(place.runs.list()).toEqual([]);
});

test.each(["on-failure", "always"] as const)("what cannot be started yet is tried again with %s", async (restart) => {
  const directory = fresh();
  await using place = begin({ startCommand: "exec sleep 600", readyCommand: "true", restart }, directory);
  await until(() => place.template.state.restarts >= 2);
  expect(place.template.state.state).toBe("starting");
  expect(place.template.state.why).toContain(`cwd '${directory}' does not exist`);
  mkdirSync(directory);
  await until(() => place.template.state.state === "ready");
  expect(place.events("start_command.failed")).toHaveLength(1);
});

test("what cannot be started is given up with never, and its tries are not kept", async () => {
  const directory = fresh();
  await using failing = begin({ startCommand: "true", readyCommand: "true" }, directory);
  await until(() => failing.template.state.state === "failed");
  await using checking = begin({ readyCommand: "true" }, directory);
  await until(() => checking.template.state.why?.includes("could not be started") ?? false);
  mkdirSync(directory);
  await until(() => checking.template.state.state === "ready");
  expect([...failing.runs.list(), ...checking.runs.list()]).toEqual([]);
});

test("removing the run that has ended stops the restarts", async () => {
  await using place = begin({ startCommand: "exit 1", restart: "always" });
  const { template, runs } = place;
  // By then the pause is long enough to come in between.
  await until(() => template.state.restarts >= 3 && template.state.state === "starting");
  await runs.remove(runs.get(template.state.runId ?? ""), "a test");
  expect(template.state.state).toBe("stopped");
  const started = place.events("start_command.started").length;
  await place.template[Symbol.asyncDispose]();
  expect(place.events("start_command.started")).toHaveLength(started);
});

test("removing the run that goes on is no failure, and ends the ready check", async () => {
  await using place = begin({ startCommand: "exec sleep 600", readyCommand: "false" });
  const { template, runs } = place;
  await until(() => template.state.why !== undefined);
  await runs.remove(runs.get(template.state.runId ?? ""), "a test");
  await until(() => template.state.state === "stopped");
  await until(() => runs.list().length === 0);
});
