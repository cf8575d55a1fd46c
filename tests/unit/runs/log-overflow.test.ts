import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { RunLog } from "../../../src/runs/run-log.ts";
import { SpillBudget } from "../../../src/runs/spill-file.ts";
import { until } from "../../helpers/daemon.ts";

const BLOCK = 64 * 1024;
const PIECE = Buffer.alloc(BLOCK);

let directory = "";
beforeEach(() => void (directory = mkdtempSync(join(tmpdir(), "guestd-overflow-"))));
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function createLog(budget: SpillBudget, diskBytes: number, overflow?: "wait"): RunLog {
  return new RunLog({ limits: { memoryBytes: BLOCK, diskBytes }, budget, overflow });
}

describe("a log that waits for its receiver", () => {
  test("goes on when two of them receive in one moment", async () => {
    const log = createLog(new SpillBudget({ directory, limitBytes: 1 << 30 }), BLOCK, "wait");
    let drains = 0;
    log.onDrain = () => (drains += 1);
    for (let index = 0; index < 40; index += 1) log.append("stdout", PIECE);
    await log.settled();
    expect(log.isWaiting).toBe(true);
    log.markReceived(10);
    log.markReceived(log.position);
    await until(() => drains > 0);
    expect(log.isWaiting).toBe(false);
    log.dispose();
  });
});

describe("the budget of all logs", () => {
  test("is whole again after a log that had to be forgotten to make room for itself", async () => {
    const budget = new SpillBudget({ directory, limitBytes: 20 * BLOCK });
    const log = createLog(budget, 1 << 26);
    budget.onPressure = () => {
      if (!log.isClosed || log.diskBytes === 0) return false;
      log.dispose();
      return true;
    };
    for (let index = 0; index < 42; index += 1) log.append("stdout", PIECE);
    log.close();
    await log.settled();
    log.dispose();
    expect(budget.usedBytes).toBe(0);
  });
});

test("who follows an empty log that is forgotten is told so", async () => {
  const log = createLog(new SpillBudget({ directory, limitBytes: 1 << 30 }), BLOCK);
  const next = log.read({ from: { position: 0 }, follow: true }).next();
  log.dispose();
  await expect(next).rejects.toMatchObject({ code: "not_found", reason: "run_not_found" });
});
