import * as v from "valibot";
import { noList, stringMap } from "./json-object.ts";
import { mustBe } from "./shown-value.ts";

/** Text of a query member that switches something on. */
export const Switch = v.pipe(
  v.picklist(["1", "0", "true", "false", ""]),
  v.transform((text) => text === "1" || text === "true" || text === ""),
);
const Milliseconds = v.pipe(v.number(), v.integer(), v.minValue(0), v.description("milliseconds"));
export const QueryNumber = v.pipe(v.string(), v.regex(/^\d{1,15}$/, mustBe("a whole number")), v.transform(Number));

/** Columns and rows of a terminal, in characters. */
export const TerminalExtent = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(65_535));
export const TerminalSize = v.strictObject({ cols: TerminalExtent, rows: TerminalExtent });

export const Encoding = v.picklist(["utf-8", "base64"]);
export const Stream = v.picklist(["stdout", "stderr", "pty", "events"]);

/** Query of `/v1/run`: what the body does not say when it is a command line or standard input. */
export const RunQuery = v.object({
  cmd: v.optional(
    v.pipe(v.string(), v.nonEmpty(), v.description("shell command line; the body is then its standard input")),
  ),
  cwd: v.optional(v.string()),
  user: v.optional(v.string()),
  tag: v.optional(v.string()),
  timeoutMs: v.optional(QueryNumber),
  idleTimeoutMs: v.optional(QueryNumber),
  startTimeoutMs: v.optional(QueryNumber),
  stdin: v.optional(Switch),
  background: v.optional(Switch),
  status: v.optional(Switch),
  encoding: v.optional(Encoding),
});

/** JSON body of `/v1/run`: a program with arguments, or a shell command line. */
export const RunBody = v.pipe(
  noList(
    v.strictObject({
      cmd: v.optional(v.pipe(v.string(), v.nonEmpty(), v.description("program, looked up on the search path"))),
      args: v.optional(v.array(v.string()), []),
      shell: v.optional(
        v.pipe(v.string(), v.nonEmpty(), v.description("instead of cmd: a command line for bash, else sh")),
      ),
      cwd: v.optional(v.string()),
      envs: v.optional(stringMap(), {}),
      user: v.optional(v.string()),
      tag: v.optional(v.string()),
      timeoutMs: v.optional(v.pipe(Milliseconds, v.description("the run is ended this long after its start; ms"))),
      idleTimeoutMs: v.optional(v.pipe(Milliseconds, v.description("ended after this long without output; ms"))),
      startTimeoutMs: v.optional(v.pipe(Milliseconds, v.description("ended when there is no output by then; ms"))),
      overflow: v.optional(
        v.pipe(
          v.picklist(["drop", "wait"]),
          v.description("when the kept output is full: drop its oldest part, or let the program wait for a reader"),
        ),
      ),
      pty: v.optional(TerminalSize),
      stdin: v.optional(
        v.pipe(
          v.union([v.string(), v.boolean()]),
          v.description("text for standard input, or true to leave it open for later"),
        ),
      ),
      background: v.optional(v.boolean(), false),
    }),
  ),
  v.check(({ cmd, shell }) => (cmd === undefined) !== (shell === undefined), "give either cmd or shell"),
);

export const LogQuery = v.object({
  stream: v.optional(Stream),
  offset: v.optional(QueryNumber),
  follow: v.optional(Switch),
  encoding: v.optional(Encoding),
});

export const WaitQuery = v.object({ timeoutMs: v.optional(QueryNumber) });
export const ListQuery = v.object({ state: v.optional(v.picklist(["running", "ended"])), tag: v.optional(v.string()) });
export const StdinQuery = v.object({ close: v.optional(Switch) });
export const SignalBody = noList(
  v.strictObject({
    signal: v.pipe(
      v.union([v.string(), v.number()]),
      v.transform(String),
      v.description("a name such as SIGINT, or a number"),
    ),
    scope: v.optional(v.picklist(["leader", "group", "tree"]), "group"),
    waitMs: v.optional(v.pipe(Milliseconds, v.maxValue(60_000))),
  }),
);

export const Usage = v.object({
  wallMs: v.number(),
  userMs: v.number(),
  systemMs: v.number(),
  maxRssBytes: v.number(),
  source: v.pipe(v.string(), v.description("wait4: exact, from the kernel; clock: only wallMs is known")),
});
const EndingName = v.picklist([
  "exited",
  "signaled",
  "finished",
  "timeout",
  "oom",
  "cancelled",
  "spawn_failed",
  "lost",
]);
const Holder = v.object({ pid: v.number(), command: v.string() });

/** What came of asking a code cell to stop. */
export const InterruptionMembers = {
  outcome: v.pipe(
    v.picklist(["interrupted", "finished", "ignored", "killed"]),
    v.description(
      "finished: by itself, before it was reached or in spite of it; ignored: it goes on; killed: with its kernel",
    ),
  ),
  stateKept: v.pipe(v.boolean(), v.description("whether variables and whatever else the kernel holds are still there")),
};

/** How a run ended; all null while it runs. */
export const EndMembers = {
  ending: v.nullable(EndingName),
  exitCode: v.pipe(v.nullable(v.number()), v.description("null where the program has none")),
  signal: v.nullable(v.string()),
  detail: v.optional(v.pipe(v.string(), v.description("which deadline, who cancelled, what failed"))),
  usage: v.nullable(Usage),
  pipesHeldBy: v.optional(v.array(Holder)),
  interruption: v.optional(
    v.pipe(v.object(InterruptionMembers), v.description("of a code cell that was asked to stop")),
  ),
};

export const Run = v.object({
  id: v.string(),
  kind: v.picklist(["command", "terminal", "cell"]),
  state: v.picklist(["running", "ended"]),
  pid: v.nullable(v.number()),
  cmd: v.string(),
  args: v.array(v.string()),
  cwd: v.nullable(v.string()),
  user: v.string(),
  tag: v.nullable(v.string()),
  startedAt: v.string(),
  endedAt: v.nullable(v.string()),
  ...EndMembers,
  log: v.record(v.string(), v.object({ oldest: v.number(), end: v.number() })),
});
export const RunList = v.object({ runs: v.array(Run) });

/** Answer of a run that was waited for. */
export const RunResult = v.object({
  id: v.string(),
  ...EndMembers,
  stdout: v.string(),
  stderr: v.string(),
  pty: v.optional(v.pipe(v.string(), v.description("what a terminal showed"))),
  encoding: v.optional(Encoding),
  lossy: v.optional(
    v.pipe(v.array(Stream), v.description("streams that were no UTF-8: ask again with encoding=base64")),
  ),
  omittedBytes: v.optional(
    v.pipe(v.record(v.string(), v.number()), v.description("left out at the front; /log has them")),
  ),
});
export const SignalAnswer = v.object({ signaled: v.array(v.number()), survivors: v.array(v.number()) });
export const RemoveAnswer = v.object({
  id: v.string(),
  ending: v.nullable(EndingName),
  survivors: v.array(v.number()),
});
export const StdinAnswer = v.object({ bytes: v.number() });
