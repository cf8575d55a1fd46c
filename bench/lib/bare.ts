import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { BareTasks } from "./bare-tasks.ts";

/** What the parent sends and the worker answers. */
export interface TaskRequest {
  name: keyof BareTasks;
  options: unknown;
}
type TaskResult<K extends keyof BareTasks> = Awaited<ReturnType<BareTasks[K]>>;
export type TaskAnswer = { result: unknown } | { error: string };

/** A process of its own that does what the daemon does with nothing in between, one task at a time. */
export interface BareProcess extends AsyncDisposable {
  run<K extends keyof BareTasks>(name: K, options: Parameters<BareTasks[K]>[0]): Promise<TaskResult<K>>;
}

export async function startBare(): Promise<BareProcess> {
  const worker = fork(join(import.meta.dirname, "bare-worker.ts"), { serialization: "advanced" });
  await once(worker, "spawn");
  const exited = once(worker, "exit");
  return {
    async run<K extends keyof BareTasks>(name: K, options: Parameters<BareTasks[K]>[0]): Promise<TaskResult<K>> {
      const answered = once(worker, "message");
      worker.send({ name, options } satisfies TaskRequest);
      const [answer] = (await Promise.race([answered, exited.then(() => [{ error: "the process ended" }])])) as [
        TaskAnswer,
      ];
      if ("error" in answer) throw new Error(`bare ${name}: ${answer.error}`);
      return answer.result as TaskResult<K>;
    },
    async [Symbol.asyncDispose]() {
      if (worker.connected) worker.disconnect();
      const timer = setTimeout(() => worker.kill("SIGKILL"), 3000);
      await exited;
      clearTimeout(timer);
    },
  };
}
