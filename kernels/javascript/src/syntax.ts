import { type AnyNode, type Options, parse, type Program } from "acorn";

const OPTIONS: Options = {
  ecmaVersion: "latest",
  sourceType: "script",
  allowAwaitOutsideFunction: true,
  allowImportExportEverywhere: true,
  allowHashBang: true,
};

/** The syntax tree of a cell; undefined when it has none, which V8 tells better. */
export function parseCell(code: string): Program | undefined {
  try {
    return parse(code, OPTIONS);
  } catch {
    return undefined;
  }
}

/** A cell that is one pair of braces and reads as an object is meant as one. */
export function asExpression(code: string): string {
  const trimmed = code.trim();
  if (!trimmed.startsWith("{") || !trimmed.endsWith("}")) return code;
  const program = parseCell(code);
  if (program && program.body.length !== 1) return code;
  const expression = `(${code}\n)`;
  return parseCell(expression) ? expression : code;
}

/** All nodes under `node`, itself first. */
export function* walk(node: AnyNode): Iterable<AnyNode> {
  yield node;
  for (const child of Object.values(node) as unknown[])
    for (const item of Array.isArray(child) ? (child as unknown[]) : [child]) if (isNode(item)) yield* walk(item);
}

function isNode(value: unknown): value is AnyNode {
  return typeof value === "object" && value !== null && "type" in value && typeof value.type === "string";
}
