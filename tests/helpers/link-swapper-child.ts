// Swaps a file for a link and back as fast as it can; started by link-swapper.ts.
import { renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

const [path = "", target = ""] = process.argv.slice(2);
/** Outside of the tree: in it there is always the one name. */
const spare = join(dirname(target), "spare");
const TURN = 200;
let count = 0;

function swap(): void {
  try {
    symlinkSync(target, spare);
    renameSync(spare, path);
    count += 1;
    writeFileSync(spare, "innocent");
    renameSync(spare, path);
  } catch {
    // The tree is being removed under us: that is what the test is about.
    rmSync(spare, { force: true });
  }
}

function swapOn(): void {
  for (let index = 0; index < TURN; index += 1) swap();
  if (process.connected) setImmediate(swapOn);
}

process.on("message", () => process.send?.(count));
process.on("disconnect", () => process.exit());
swap();
process.send?.(count);
swapOn();
