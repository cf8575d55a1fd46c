// Processes and terminals against the bare limit: the same programs without a daemon, in the same run.
import { benchIdle } from "./processes/idle.ts";
import { benchLoop } from "./processes/loop.ts";
import { benchMetrics } from "./processes/metrics.ts";
import { benchPorts } from "./processes/ports.ts";
import { benchStarts } from "./processes/starts.ts";
import { benchStalledSubscriber } from "./processes/stalled-subscriber.ts";
import { benchStdin } from "./processes/stdin.ts";
import { benchStdout } from "./processes/stdout.ts";
import { runParts } from "./lib/parts.ts";
import { benchTerminals } from "./processes/terminals.ts";

await runParts({
  starts: benchStarts,
  loop: benchLoop,
  metrics: benchMetrics,
  stdout: benchStdout,
  stdin: benchStdin,
  stalled: benchStalledSubscriber,
  terminals: benchTerminals,
  idle: benchIdle,
  ports: benchPorts,
});
