/** How far git is with one of its stages. */
export interface GitProgress {
  /** `receiving objects`, `remote: counting objects` … */
  stage: string;
  percent: number;
  done: number;
  total: number;
}

/** Longest unfinished line that is kept: progress is shorter. */
const MAX_LINE_CHARACTERS = 1000;

/** Finds progress in what git writes to its standard error, in whatever pieces it comes. */
export class ProgressReader {
  #rest = "";

  push(bytes: Uint8Array): GitProgress[] {
    const lines = (this.#rest + Buffer.from(bytes).toString("latin1")).split(/[\r\n]/);
    this.#rest = (lines.pop() ?? "").slice(-MAX_LINE_CHARACTERS);
    return lines.map(readLine).filter((found) => found !== undefined);
  }
}

/** `Receiving objects:  45% (9/20), 1.20 MiB | 2.00 MiB/s` */
function readLine(line: string): GitProgress | undefined {
  const [, stage, percent, done, total] = /^((?:remote: )?[\w ]+): +(\d+)% \((\d+)\/(\d+)\)/.exec(line) ?? [];
  if (stage === undefined) return undefined;
  return { stage: stage.toLowerCase(), percent: Number(percent), done: Number(done), total: Number(total) };
}
