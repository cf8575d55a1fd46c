import type { Pattern } from "acorn";

/** How a name was declared. */
export type Kind = "lexical" | "variable";

/**
 * How the names of earlier cells were declared. V8 lets a later cell declare a name again only in the same way,
 * so that a declaration is rewritten to the kind that its name has.
 */
export class Declarations {
  readonly #kinds = new Map<string, Kind>();

  has(name: string): boolean {
    return this.#kinds.has(name);
  }

  isLexical(name: string): boolean {
    return this.#kinds.get(name) === "lexical";
  }

  /** The keyword for declaring `names` together; `wanted` unless one of them is of the other kind, none when no keyword suits all. */
  keyword(wanted: "let" | "var", names: readonly string[]): "let" | "var" | undefined {
    const kinds = new Set(names.map((name) => this.#kinds.get(name)));
    if (kinds.has("lexical") && kinds.has("variable")) return undefined;
    if (wanted === "let") return kinds.has("variable") ? "var" : "let";
    return kinds.has("lexical") ? "let" : "var";
  }

  /** Remembers what a cell that was accepted has declared; a name keeps its first kind. */
  remember(declared: ReadonlyMap<string, Kind>): void {
    for (const [name, kind] of declared) if (!this.#kinds.has(name)) this.#kinds.set(name, kind);
  }
}

/** The kind of what `keyword` declares. */
export function kindOf(keyword: "let" | "var"): Kind {
  return keyword === "var" ? "variable" : "lexical";
}

/** The names that a pattern binds. */
export function boundNames(pattern: Pattern): string[] {
  switch (pattern.type) {
    case "Identifier":
      return [pattern.name];
    case "ObjectPattern":
      return pattern.properties.flatMap((item) => boundNames(item.type === "RestElement" ? item.argument : item.value));
    case "ArrayPattern":
      return pattern.elements.flatMap((item) => (item ? boundNames(item) : []));
    case "RestElement":
      return boundNames(pattern.argument);
    case "AssignmentPattern":
      return boundNames(pattern.left);
    case "MemberExpression":
      return []; // assigned to, not declared
  }
}
