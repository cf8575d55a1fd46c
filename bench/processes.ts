// Processes and terminals against the bare limit: the same programs without a daemon, in the same run.
import { benchIdle } from "./processes/idle.ts";
import { benchLoop } from "./processes/loop.ts";
import { benchStarts } from "./processes/starts.ts";
import { benchStalledSubscriber } from "./processes/stalled-subscriber.ts";
import { benchStdin } from "./processes/stdin.ts";
import { benchStdout } from "./processes/stdout.ts";
import { report } from "./lib/report.ts";
import { benchTerminals } from "./processes/terminals.ts";

const PARTS = {
  starts: benchStarts,
  loop: benchLoop,
  stdout: benchStdout,
  stdin: benchStdin,
  stalled: benchStalledSubscriber,
  terminals: benchTerminals,
  idle: benchIdle,
};

// All, or the named ones: `node bench/processes.ts starts idle`.
const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !Object.hasOwn(PARTS, name));
if (unknown.length > 0) throw new Error(`no such part: ${unknown.join()}; there are ${Object.keys(PARTS).join()}`);
for (const [name, bench] of Object.entries(PARTS)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  try {
    await bench();
  } catch (error) {
    // The other parts still say something.
    console.error(error);
    report({ what: name, unit: "", ours: undefined, note: `failed: ${String(error)}` });
    process.exitCode = 1;
  }
}
