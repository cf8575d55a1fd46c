// `node --random-seed=1 code-cache.config.ts <dist>`: starts the daemon of the bundle, asks it for its health, and keeps what V8 has compiled until it has come to rest.
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
/** What the daemon does behind its first answer is over by then, so that it does not matter what came first. */
const SETTLE_MS = 1000;

process.on("exit", () => rmSync(place, { recursive: true, force: true }));
process.argv = [node, join(dist, "main.js"), "--port", "0", "--interpreter-port", "off", "--kernels", ""];
process.argv.push("--listen", `unix:${socketPath}`, "--state-dir", join(place, "state"), "--log-level", "warn");
// The machine that builds may have settings of its own, with programs to start among them.
writeFileSync(settings, "{}");
process.env["GUESTD_CONFIG"] = settings;
installPlainClasses();
// The daemon's own timers wait until it is done: on a slow machine it would else begin with what it does behind the first answer before that.
const { setTimeout } = globalThis;
globalThis.setTimeout = ((run: () => void, ms = 0) => setTimeout(run, ms + GIVE_UP_MS)) as typeof setTimeout;
const script = compileProgram(dist);
runProgram(script, dist);
setTimeout(() => fail("the daemon does not answer"), GIVE_UP_MS);
ask();

function ask(): void {
  get({ socketPath, path: "/health", agent: false }, ({ statusCode }) => {
    if (statusCode !== 204) fail(`the daemon answers ${statusCode}`);
    setTimeout(keep, SETTLE_MS);
  }).on("error", () => setTimeout(ask, LOOK_MS));
}

function keep(): void {
  writeFileSync(join(dist, CODE_CACHE), codeCacheOf(script, dist));
  globalThis.setTimeout = setTimeout;
  process.kill(process.pid, "SIGTERM"); // ends as any daemon does, and with that status
}

function fail(why: string): never {
  console.error(`guestd: no code cache: ${why}`);
  exit(1);
}
