import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { CodeSession } from "./code-place.ts";

/** Evaluates an expression a line, and answers with a line. */
const LOOP = `import sys
for line in sys.stdin:
    print(eval(line), flush=True)`;

/** A plain Python process with nothing around it: what the machine itself allows. */
export async function startBarePython(): Promise<CodeSession> {
  const child = spawn("/usr/bin/python3", ["-c", LOOP], { stdio: ["pipe", "pipe", "inherit"] });
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const run = async (code: string): Promise<string> => {
    child.stdin.write(`${code}\n`);
    const { done, value } = await answers.next();
    if (done === true) throw new Error("the Python process has ended");
    return value;
  };
  await run("1");
  return {
    run,
    async [Symbol.asyncDispose]() {
      const exited = once(child, "exit");
      child.stdin.end();
      await exited;
    },
  };
}
