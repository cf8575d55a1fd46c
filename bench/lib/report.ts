/** What a figure has to be: the figure itself, or its ratio to the bare limit. */
export interface Target {
  on: "ours" | "ratio";
  atMost?: number;
  atLeast?: number;
}

/** One line of results. */
export interface Row {
  what: string;
  unit: string;
  /** Undefined: it could not be measured, and `note` says why. */
  ours: number | undefined;
  /** The same without a daemon, in a process of its own, in the same run. */
  bare?: number | undefined;
  /** Of ours to bare; of the medians unless pairs were measured. */
  ratio?: number | undefined;
  target?: Target;
  /** The same of the daemon usual in this place. */
  usual?: string;
  note?: string;
}

export interface ReportedRow extends Row {
  isMet?: boolean;
}

/** Prints a row as a line of JSON, with whether its target was met. */
export function report(row: Row): void {
  const ratio = row.ratio ?? (row.ours === undefined || row.bare === undefined ? undefined : row.ours / row.bare);
  const { ours, bare } = row;
  const rounded: Row = { ...row, ours: round(ours), bare: round(bare), ratio: round(ratio) };
  const isMet = row.target && meets(row.target, row.target.on === "ours" ? ours : ratio);
  const line: ReportedRow = isMet === undefined ? rounded : { ...rounded, isMet };
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

/** A target in words. */
export function targetText({ on, atMost, atLeast }: Target, unit: string): string {
  const sign = atMost === undefined ? "≥" : "≤";
  return on === "ratio" ? `${sign} ${atMost ?? atLeast} × bare` : `${sign} ${atMost ?? atLeast} ${unit}`;
}

function meets({ atMost = Infinity, atLeast = -Infinity }: Target, value: number | undefined): boolean | undefined {
  return value === undefined || Number.isNaN(value) ? undefined : value <= atMost && value >= atLeast;
}

/** Three significant digits say all that these figures are good for. */
function round(value: number | undefined): number | undefined {
  if (value === undefined || Number.isNaN(value)) return undefined;
  return Math.abs(value) >= 1000 ? Math.round(value) : Number(value.toPrecision(3));
}
