import { readFileSync } from "node:fs";
import { join } from "node:path";
import { cgroupPlace } from "./cgroup-place.ts";

export const RESOURCES = ["cpu", "memory", "io"] as const;

/** How long programs have waited for a resource: `some` at least one, `full` all of them. Seconds since boot. */
export interface Pressure {
  resource: (typeof RESOURCES)[number];
  someSeconds: number;
  fullSeconds: number | undefined;
}

/**
 * Stalls as the kernel counts them (PSI): those of this process's cgroup of version 2, else those of the machine; none where it
 * does not. `proc` is where it tells.
 */
export function readPressure(proc = "/proc"): Pressure[] {
  const group = cgroupPlace("unified", proc)?.directory;
  return RESOURCES.flatMap((resource) => {
    const ofMachine = join(proc, "pressure", resource);
    const files = group === undefined ? [ofMachine] : [join(group, `${resource}.pressure`), ofMachine];
    return files.flatMap((file) => pressureIn(file, resource)).slice(0, 1);
  });
}

function pressureIn(file: string, resource: Pressure["resource"]): Pressure[] {
  try {
    const text = readFileSync(file, "latin1");
    const some = secondsIn(text, "some");
    return some === undefined ? [] : [{ resource, someSeconds: some, fullSeconds: secondsIn(text, "full") }];
  } catch {
    return []; // a kernel without it, or one that was told not to
  }
}

/** `some avg10=0.00 avg60=0.00 avg300=0.00 total=12` in microseconds. */
function secondsIn(text: string, kind: "some" | "full"): number | undefined {
  const total = new RegExp(`^${kind} .*total=(\\d+)$`, "m").exec(text)?.[1];
  return total === undefined ? undefined : Number(total) / 1e6;
}
