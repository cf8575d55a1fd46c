// Swaps a file or a directory for a link and back as fast as it can; started by link-swapper.ts.
import { existsSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

const [path = "", target = "", kind = "file"] = process.argv.slice(2);
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

/** Each step by itself: whatever the removal leaves of the directory is put back into its way. */
function swapDirectory(): void {
  if (!succeeds(() => renameSync(path, spare)) && existsSync(path)) rmSync(spare, { recursive: true, force: true });
  if (succeeds(() => symlinkSync(target, path))) count += 1;
  succeeds(() => unlinkSync(path));
  succeeds(() => renameSync(spare, path));
}

function succeeds(call: () => void): boolean {
  try {
    call();
    return true;
  } catch {
    return false;
  }
}

const turn = kind === "file" ? swap : swapDirectory;

function swapOn(): void {
  for (let index = 0; index < TURN; index += 1) turn();
  if (process.connected) setImmediate(swapOn);
}

process.on("message", () => process.send?.(count));
process.on("disconnect", () => process.exit());
turn();
process.send?.(count);
swapOn();
