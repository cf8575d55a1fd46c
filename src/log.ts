import { write, writeSync } from "node:fs";

export type LogLevel = "error" | "warn" | "info" | "debug";
export type LogFormat = "json" | "text";
export type LogFields = Readonly<Record<string, string | number | boolean | null | undefined>>;

/** Writes one line per event. Field values are facts about an operation, never payloads, tokens or environments. */
export interface Logger {
  error(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  info(event: string, fields?: LogFields): void;
  debug(event: string, fields?: LogFields): void;
  /** A logger whose lines all carry `fields`. */
  child(fields: LogFields): Logger;
}

const ORDER: Readonly<Record<LogLevel, number>> = { error: 0, warn: 1, info: 2, debug: 3 };
const MAX_PENDING_BYTES = 1024 * 1024;
/** Lines of a busy moment go out together: each call hands work to another thread, which costs a small request more than its answer does. */
const GATHER_MS = 10;

/**
 * A sink on descriptor `fd` that never blocks the event loop: whoever reads our stderr may be slow or gone.
 * Lines beyond 1 MiB of backlog are dropped and counted; the count is told with the next line that fits.
 */
export function descriptorSink(fd: number): { write(line: string): void; flush(): void } {
  let queue: string[] = [];
  let pendingBytes = 0;
  let dropped = 0;
  let writing: Buffer | undefined;
  let isGathering = false;

  const gather = (): void => {
    if (writing || isGathering || queue.length === 0) return;
    isGathering = true;
    setTimeout(next, GATHER_MS);
  };
  const next = (): void => {
    isGathering = false;
    if (queue.length === 0) return;
    writing = Buffer.from(queue.join(""));
    queue = [];
    step(writing);
  };
  const step = (bytes: Buffer): void => {
    write(fd, bytes, (error, written) => {
      const rest = error ? bytes.subarray(bytes.length) : bytes.subarray(written);
      if (rest.length > 0) {
        writing = rest;
        return step(rest);
      }
      writing = undefined;
      pendingBytes = queue.reduce((sum, line) => sum + line.length, 0);
      gather();
    });
  };
  return {
    write(line) {
      if (pendingBytes > MAX_PENDING_BYTES) {
        dropped += 1;
        return;
      }
      if (dropped > 0) queue.push(`{"level":"warn","event":"log.dropped","lines":${dropped}}\n`);
      dropped = 0;
      queue.push(line);
      pendingBytes += line.length;
      gather();
    },
    flush() {
      // A write under way in the pool finishes by itself; only what nobody has begun is written here.
      const rest = queue.join("");
      queue = [];
      try {
        if (rest) writeSync(fd, rest);
      } catch {
        // At the end of the process nobody is left to be told.
      }
    },
  };
}

/** Builds a logger that drops what is less important than `level`. `text` is for a person at a terminal. */
export function createLogger(options: {
  level: LogLevel;
  format: LogFormat;
  write: (line: string) => void;
  fields?: LogFields;
}): Logger {
  const { level, format, write: sink, fields = {} } = options;
  const line = (at: LogLevel, event: string, more: LogFields = {}): void => {
    if (ORDER[at] > ORDER[level]) return;
    const time = new Date().toISOString();
    const all = { ...fields, ...more };
    sink(
      format === "json" ? `${JSON.stringify({ time, level: at, event, ...all })}\n` : textLine(time, at, event, all),
    );
  };
  return {
    error: (event, more) => line("error", event, more),
    warn: (event, more) => line("warn", event, more),
    info: (event, more) => line("info", event, more),
    debug: (event, more) => line("debug", event, more),
    child: (more) => createLogger({ ...options, fields: { ...fields, ...more } }),
  };
}

function textLine(time: string, level: LogLevel, event: string, fields: LogFields): string {
  const rest = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}=${typeof value === "string" ? JSON.stringify(value) : value}`);
  return `${time.slice(11, 23)} ${level.padEnd(5)} ${event}${rest.join("")}\n`;
}
