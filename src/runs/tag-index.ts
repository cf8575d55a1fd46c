import type { Run } from "./run.ts";

/** Runs by the tag they were started with, which several may share. */
export class TagIndex {
  /** In order of their starts. */
  readonly #runs = new Map<string, Set<Run>>();

  add(run: Run): void {
    const { tag } = run.config;
    if (tag === undefined) return;
    const runs = this.#runs.get(tag);
    if (runs) runs.add(run);
    else this.#runs.set(tag, new Set([run]));
  }

  delete(run: Run): void {
    const { tag } = run.config;
    const runs = tag === undefined ? undefined : this.#runs.get(tag);
    if (tag === undefined || !runs) return;
    runs.delete(run);
    if (runs.size === 0) this.#runs.delete(tag);
  }

  /** The newest with that tag that `accepts` takes. */
  newest(tag: string, accepts: (run: Run) => boolean): Run | undefined {
    let newest: Run | undefined;
    for (const run of this.#runs.get(tag) ?? []) if (accepts(run)) newest = run;
    return newest;
  }
}
