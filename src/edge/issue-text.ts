import type { BaseIssue, GenericSchema } from "valibot";
import { shownValue } from "../contracts/shown-value.ts";

/** How kinds of values are called in an answer, by the names that schemas have for them. */
const KINDS: Readonly<Record<string, string>> = {
  string: "a string",
  number: "a number",
  boolean: "true or false",
  Object: "an object",
  Array: "a list",
};

/**
 * What is wrong with a member, in words of a person. A value of the wrong kind is not shown, only its kind: it may be anything, such as
 * a variable. What is one of few words, or a number out of its range, is.
 */
export function issueText(issue: BaseIssue<unknown>): string {
  const { type, input, expected, requirement } = issue;
  if (expected === "never") return "there is no such member";
  if (input === undefined && issue.path) return "is missing";
  if (type === "non_empty") return "must not be empty";
  if (type === "integer") return `must be a whole number, not ${shownValue(input)}`;
  if (type === "min_value") return `must be at least ${String(requirement)}, not ${shownValue(input)}`;
  if (type === "max_value") return `must be at most ${String(requirement)}, not ${shownValue(input)}`;
  const choices = (expected ?? "something else").replace(/^\(|\)$/g, "").split(" | ");
  const isOfWords = choices.some((choice) => choice.startsWith('"'));
  return `must be ${either(choices)}, not ${isOfWords && typeof input === "string" ? shownValue(input) : kindOf(input)}`;
}

/** The members that an object at `keys` of `schema` may have; undefined where that depends on what it is. */
export function membersAt(schema: GenericSchema, keys: readonly string[]): string[] | undefined {
  const [key, ...rest] = keys;
  if ("wrapped" in schema) return membersAt(schema.wrapped as GenericSchema, keys);
  if (!("entries" in schema)) return undefined;
  const entries = schema.entries as Record<string, GenericSchema>;
  if (key === undefined) return Object.keys(entries);
  return entries[key] && membersAt(entries[key], rest);
}

function either(choices: readonly string[]): string {
  return new Intl.ListFormat("en", { type: "disjunction" }).format(choices.map((choice) => KINDS[choice] ?? choice));
}

function kindOf(value: unknown): string {
  if (value === null || value === undefined) return "nothing";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "boolean") return String(value);
  return KINDS[typeof value] ?? "an object";
}
