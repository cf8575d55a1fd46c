// The process that measures bare limits; see bare.ts.
import type { TaskAnswer, TaskRequest } from "./bare.ts";
import { BARE_TASKS } from "./bare-tasks.ts";

async function answer({ name, options }: TaskRequest): Promise<TaskAnswer> {
  try {
    const task = BARE_TASKS[name] as (options: unknown) => unknown;
    return { result: await task(options) };
  } catch (error) {
    return { error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}

process.on("message", (request) => {
  void answer(request as TaskRequest).then((result) => process.send?.(result));
});
