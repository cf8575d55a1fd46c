import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text as readText } from "node:stream/consumers";
import { REPOSITORY } from "./daemon.ts";

/** Another process that finds out something about itself; it waits before it looks. */
export interface Observer {
  readonly pid: number;
  /** Lets it look; resolves with what it saw when it has ended. */
  look(): Promise<unknown>;
}

export interface ObserverOptions {
  /** File in `src/`, whose exports are in `host`. */
  file: string;
  /** JavaScript whose value, or what that resolves to, is what it sees: `host.readCpu()`. */
  expression: string;
  /** JavaScript that comes before it waits. */
  setUp?: string;
  /** Program and arguments that start it. */
  through?: readonly string[];
}

export function startObserver({ file, expression, setUp = "", through = [] }: ObserverOptions): Observer {
  const script = `
    const host = require(${JSON.stringify(join(REPOSITORY, "src", file))});
    ${setUp}
    require("node:fs").readSync(0, Buffer.alloc(1));
    (async () => console.log(JSON.stringify(await (${expression}))))();`;
  const [program, ...args] = [...through, process.execPath, "-e", script];
  const child = spawn(program, args, { stdio: ["pipe", "pipe", "inherit"] });
  return {
    pid: child.pid ?? 0,
    async look() {
      child.stdin.end("\n");
      const seen: unknown = JSON.parse(await readText(child.stdout));
      if (child.exitCode === null) await once(child, "exit");
      return seen;
    },
  };
}
