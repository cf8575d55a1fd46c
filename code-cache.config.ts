// `node --random-seed=1 code-cache.config.ts <dist>`: starts the daemon of the bundle, asks it for its health, and keeps what V8 has compiled until then.
// The build runs it. Without the seed no two would be the same.
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { get } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { argv, exit } from "node:process";
import { installPlainClasses } from "./src/edge/web/install.ts";
import { CODE_CACHE, codeCacheOf, compileProgram, runProgram } from "./src/program.ts";

const [node = "", , dist = ""] = argv;
const place = mkdtempSync(join(tmpdir(), "guestd-build-"));
// What a daemon keeps is for programs of other users as well.
chmodSync(place, 0o755);
const settings = join(place, "settings.json");
const socketPath = join(place, "socket");
const GIVE_UP_MS = 30_000;
const LOOK_MS = 20;
/** The request is over by then in whatever order both sides learn of it. */
const SETTLE_MS = 400;

process.on("exit", () => rmSync(place, { recursive: true, force: true }));
process.argv = [node, join(dist, "main.js"), "--port", "0", "--interpreter-port", "off", "--kernels", ""];
process.argv.push("--listen", `unix:${socketPath}`, "--state-dir", join(place, "state"), "--log-level", "warn");
// The machine that builds may have settings of its own, with programs to start among them.
writeFileSync(settings, "{}");
process.env["GUESTD_CONFIG"] = settings;
installPlainClasses();
/** What the daemon puts off, until the cache has been made: what it would do by then depended on the machine, and so would the cache. */
const later = holdTimers();
const script = compileProgram(dist);
runProgram(script, dist);
later.setTimeout(() => fail("the daemon does not answer"), GIVE_UP_MS);
ask();

function ask(): void {
  get({ socketPath, path: "/health", agent: false }, ({ statusCode }) => {
    if (statusCode !== 204) fail(`the daemon answers ${statusCode}`);
    later.setTimeout(keep, SETTLE_MS);
  }).on("error", () => later.setTimeout(ask, LOOK_MS));
}

function keep(): void {
  writeFileSync(join(dist, CODE_CACHE), codeCacheOf(script, dist));
  later.letGo();
  process.kill(process.pid, "SIGTERM"); // ends as any daemon does, and with that status
}

/** Timers that are set from now on ring late enough, immediates when they are let go. */
function holdTimers(): { setTimeout: typeof setTimeout; letGo: () => void } {
  const { setTimeout, setImmediate } = globalThis;
  const letGo = Promise.withResolvers<void>();
  const held = {
    setTimeout: (run: () => void, ms = 0) => setTimeout(run, ms + GIVE_UP_MS),
    setImmediate: (run: () => void) => setImmediate(() => void letGo.promise.then(run)),
  };
  Object.assign(globalThis, held);
  return {
    setTimeout,
    letGo: () => {
      Object.assign(globalThis, { setTimeout, setImmediate });
      letGo.resolve();
    },
  };
}

function fail(why: string): never {
  console.error(`guestd: no code cache: ${why}`);
  exit(1);
}
