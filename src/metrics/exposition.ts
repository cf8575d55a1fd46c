/** One number of a family, with what tells it from the others. */
export interface Point {
  suffix?: "_bucket" | "_sum" | "_count";
  labels?: Readonly<Record<string, string>>;
  value: number;
}

/** Numbers of one name. */
export interface Family {
  name: string;
  type: "gauge" | "counter" | "histogram";
  help: string;
  points: readonly Point[];
}

/** Content type of {@link toText}. */
export const TEXT_FORMAT = "text/plain; version=0.0.4; charset=utf-8";

/** Families in Prometheus' text format 0.0.4; those without numbers are left out. */
export function toText(families: readonly Family[]): string {
  return families
    .filter(({ points }) => points.length > 0)
    .map(({ name, type, help, points }) => {
      const lines = points.map(
        (point) => `${name}${point.suffix ?? ""}${labelsText(point)} ${valueText(point.value)}\n`,
      );
      return `# HELP ${name} ${help.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")}\n# TYPE ${name} ${type}\n${lines.join("")}`;
    })
    .join("");
}

function labelsText({ labels = {} }: Point): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escape(value)}"`);
  return pairs.length > 0 ? `{${pairs.join(",")}}` : "";
}

function escape(value: string): string {
  return value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}

function valueText(value: number): string {
  if (value === Infinity) return "+Inf";
  return value === -Infinity ? "-Inf" : String(value);
}
