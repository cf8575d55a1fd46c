import { parentPort, workerData } from "node:worker_threads";
import { FILE_CALLS, type FileCallReply, type FileCallRequest } from "./file-calls.ts";
import { takeIdentity } from "./libc-credentials.ts";
import type { Identity } from "./users.ts";

/*
 * A thread with the rights of one user. It makes no asynchronous calls: those would be made by threads of the pool, with other rights.
 */

takeIdentity(workerData as Identity);

parentPort?.on("message", (requests: FileCallRequest[]) => parentPort?.postMessage(requests.map(answer)));

function answer({ id, name, args }: FileCallRequest): FileCallReply {
  const call = FILE_CALLS[name] as (...args: readonly unknown[]) => unknown;
  try {
    return { id, value: call(...args) };
  } catch (error) {
    const { message, code, errno, syscall } = error as NodeJS.ErrnoException;
    return { id, error: { message, code, errno, syscall } };
  }
}
