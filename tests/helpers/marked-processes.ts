import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";

const NAME = "GUESTD_TEST_MARK";

/** A variable that everything a program starts inherits: what is left of it is found, wherever it went. */
export class ProcessMark {
  readonly envs: Readonly<Record<string, string>> = { [NAME]: randomBytes(8).toString("hex") };

  /** Live processes that have the mark. */
  holders(): number[] {
    const variable = `${NAME}=${this.envs[NAME]}`;
    return readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name) && environmentOf(name).includes(variable))
      .map(Number);
  }

  /** Ends whoever is left. For what a test was not able to end as it should. */
  killHolders(): void {
    for (let left = this.holders(); left.length > 0; left = this.holders()) {
      for (const pid of left) kill(pid);
    }
  }
}

function environmentOf(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, "latin1").split("\0");
  } catch {
    return []; // it has gone meanwhile, or is not ours to look at
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // it has gone by itself
  }
}
