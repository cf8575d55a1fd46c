import { begin } from "./process-calls.ts";

/** The daemon opens the kernel's log some time after its start, or to see why a program was killed by others: then it stays open. */
export async function openKernelLog(url: string): Promise<void> {
  const live = await begin(url, { process: { cmd: "sleep", args: ["60"], cwd: "/" }, stdin: false });
  process.kill(live.pid, "SIGKILL");
  await live.rest();
}
