import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { ROOT } from "./built-daemon.ts";

/** Prepares the kernels as `npm run kernels` does, where that is not done yet: Python with the packages that the peer has too, R, Java. */
export function prepareKernels(): void {
  execFileSync(process.execPath, [join(ROOT, "kernels", "setup.ts"), "--strict"], { stdio: ["ignore", 2, 2] });
}
