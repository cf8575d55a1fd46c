import type { ConfigField } from "./config-field.ts";
import { checkEnvironment } from "./host/env.ts";

const TRUE = new Set(["true", "1", "yes", "on"]);
const FALSE = new Set(["false", "0", "no", "off"]);

/** Reads one value; `fault` says what it should have been. */
export function readField(field: ConfigField, raw: string | readonly string[]): { value?: unknown; fault?: string } {
  if (field.kind === "list") return readList(field, raw);
  if (field.kind === "variables") return readVariables(raw);
  if (typeof raw !== "string") return { fault: "must be one value, not a list" };
  const text = raw;
  if (field.kind === "text") return readText(field, text);
  if (field.kind === "flag") {
    const lower = text.toLowerCase();
    return TRUE.has(lower) ? { value: true } : FALSE.has(lower) ? { value: false } : { fault: "must be true or false" };
  }
  if (field.kind === "choice") {
    return field.choices?.includes(text) ? { value: text } : { fault: `must be one of ${field.choices?.join(", ")}` };
  }
  if (field.kind === "port" && field.allowsOff && text === "off") return { value: "off" };
  const [min, max] = field.kind === "port" ? [0, 65_535] : [field.min ?? 0, field.max ?? Number.MAX_SAFE_INTEGER];
  const number = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (number >= min && number <= max) return { value: number };
  return { fault: `must be a number from ${min} to ${max}${field.allowsOff ? ", or off" : ""}` };
}

function readText({ form }: ConfigField, text: string): { value?: unknown; fault?: string } {
  if (text === "") return { fault: "must not be empty" };
  return form && !form.match.test(text) ? { fault: `must be ${form.says}` } : { value: text };
}

function readList({ items }: ConfigField, raw: string | readonly string[]): { value?: unknown; fault?: string } {
  const value = [raw]
    .flat()
    .flatMap((text) => text.split(","))
    .map((text) => text.trim())
    .filter(Boolean);
  return items && !value.every((item) => items.match.test(item)) ? { fault: `must be ${items.says}` } : { value };
}

/** Values are secrets perhaps: a fault names variables only. */
function readVariables(raw: string | readonly string[]): { value?: unknown; fault?: string } {
  const lines = typeof raw === "string" ? raw.split("\n").filter(Boolean) : raw;
  if (!lines.every((line) => line.indexOf("=") > 0)) return { fault: "must be NAME=VALUE" };
  const value = Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
  );
  try {
    checkEnvironment(value);
    return { value };
  } catch (error) {
    return { fault: error instanceof Error ? error.message : String(error) };
  }
}
