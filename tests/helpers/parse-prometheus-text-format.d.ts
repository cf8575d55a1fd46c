declare module "parse-prometheus-text-format" {
  /** One number, or the buckets of a histogram; numbers are the text that was there. */
  interface ParsedPoint {
    labels?: Record<string, string>;
    value?: string;
    buckets?: Record<string, string>;
    count?: string;
    sum?: string;
  }
  interface ParsedFamily {
    name: string;
    help: string;
    type: string;
    metrics: ParsedPoint[];
  }
  /** @throws an error for text that is not in the format */
  export default function parse(text: string): ParsedFamily[];
}
