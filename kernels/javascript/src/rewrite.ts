import type {
  AnyNode,
  ClassDeclaration,
  ExportDefaultDeclaration,
  ExportNamedDeclaration,
  FunctionDeclaration,
  ImportDeclaration,
  Program,
  VariableDeclaration,
} from "acorn";
import { boundNames, type Declarations, kindOf } from "./declarations.ts";
import { Edits } from "./edits.ts";
import { IMPORT, IMPORT_META, IMPORTED } from "./modules.ts";
import { asExpression, parseCell, walk } from "./syntax.ts";

export interface RewrittenCell {
  code: string;
  /** Whether the value of the last statement is the cell's value. */
  hasValue: boolean;
  declared: ReadonlyMap<string, "lexical" | "variable">;
}

const WITHOUT_VALUE = new Set(["VariableDeclaration", "FunctionDeclaration", "ClassDeclaration", "ImportDeclaration"]);

/** Makes a cell of what a user wrote: names may be declared again, modules imported; lines stay where they are. */
export function rewriteCell(source: string, declarations: Declarations): RewrittenCell {
  const code = asExpression(source);
  const program = parseCell(code);
  if (!program) return { code, hasValue: true, declared: new Map() };
  return new CellRewriter(code, declarations).rewrite(program);
}

class CellRewriter {
  readonly #code: string;
  readonly #edits: Edits;
  readonly #declarations: Declarations;
  readonly #declared = new Map<string, "lexical" | "variable">();

  constructor(code: string, declarations: Declarations) {
    this.#code = code;
    this.#edits = new Edits(code);
    this.#declarations = declarations;
  }

  rewrite(program: Program): RewrittenCell {
    for (const statement of program.body) this.#statement(statement);
    if (this.#code.includes("import")) for (const node of walk(program)) this.#importExpression(node);
    return { code: this.#edits.toString(), hasValue: hasValue(program), declared: this.#declared };
  }

  #statement(node: AnyNode): void {
    if (node.type === "VariableDeclaration") this.#variables(node);
    else if (node.type === "FunctionDeclaration") this.#function(node as FunctionDeclaration);
    else if (node.type === "ClassDeclaration") this.#class(node as ClassDeclaration);
    else if (node.type === "ImportDeclaration") this.#import(node);
    else if (node.type === "ExportNamedDeclaration") this.#exportNamed(node);
    else if (node.type === "ExportDefaultDeclaration") this.#exportDefault(node);
    else if (node.type === "ExportAllDeclaration") this.#edits.replaceLines(node.start, node.end, "");
  }

  /** The keyword that declares `names`; none when they exist in both kinds and can only be assigned to. */
  #declare(wanted: "let" | "var", names: readonly string[]): "let" | "var" | undefined {
    const keyword = this.#declarations.keyword(wanted, names);
    if (!keyword) return undefined;
    for (const name of names) this.#declared.set(name, kindOf(keyword));
    return keyword;
  }

  #variables(node: VariableDeclaration): void {
    if (node.kind === "using" || node.kind === "await using") return;
    const names = node.declarations.flatMap(({ id }) => boundNames(id));
    const keyword = this.#declare(node.kind === "var" ? "var" : "let", names);
    if (!keyword) {
      this.#assign(node, names);
      return;
    }
    if (keyword !== node.kind) this.#edits.replace(node.start, node.start + node.kind.length, keyword);
    if (node.kind !== "var") return;
    for (const { id, init } of node.declarations) {
      // What an enum or a namespace of TypeScript becomes; run again, it must not add to the old one.
      const isMerged = init?.type === "CallExpression" && this.#code.slice(init.start, init.end).endsWith("|| {})");
      if (isMerged && id.type === "Identifier" && this.#declarations.has(id.name))
        this.#edits.prefix(keyword === "var" ? `${id.name}=void 0;` : "");
    }
  }

  /** Declares the names that are new, and assigns to all. */
  #assign(node: VariableDeclaration, names: readonly string[]): void {
    for (const name of names.filter((each) => !this.#declarations.has(each))) {
      this.#edits.prefix(`var ${name};`);
      this.#declared.set(name, "variable");
    }
    this.#edits.replace(node.start, node.start + node.kind.length, ";");
    for (const { start, end, init } of node.declarations) {
      this.#edits.replace(start, start, "(");
      this.#edits.replace(end, end, init ? ")" : "=void 0)");
    }
  }

  #function(node: FunctionDeclaration): void {
    const { name, start, end } = node.id;
    if (!this.#declarations.isLexical(name)) {
      this.#declared.set(name, "variable");
      return;
    }
    // Functions are there before their line is reached, which a lexical name is not: its value comes first.
    const renamed = `__guestd_function_${name}`;
    this.#edits.replace(start, end, renamed);
    this.#edits.prefix(`let ${name}=Object.defineProperty(${renamed},"name",{value:${JSON.stringify(name)}});`);
  }

  #class(node: ClassDeclaration): void {
    const keyword = this.#declare("let", [node.id.name]) ?? "let"; // one name has one kind
    this.#edits.replace(node.start, node.start, `${keyword} ${node.id.name}=`);
    this.#edits.replace(node.end, node.end, ";");
  }

  #import(node: ImportDeclaration): void {
    const attributes = (node.attributes ?? []).map(({ start, end }) => this.#code.slice(start, end)).join(",");
    const options = attributes === "" ? "" : `,{with:{${attributes}}}`;
    const call = `await ${IMPORT}(${JSON.stringify(node.source.value)}${options})`;
    const binding = (name: string, value: string): string =>
      `${this.#declare("let", [name]) ?? "let"} ${name}=${value};`;
    const parts = node.specifiers.map((specifier) => {
      const { name } = specifier.local;
      if (specifier.type === "ImportNamespaceSpecifier") return binding(name, IMPORTED);
      if (specifier.type === "ImportDefaultSpecifier") return binding(name, `${IMPORTED}.default`);
      const { imported } = specifier;
      const key = imported.type === "Identifier" ? imported.name : String(imported.value);
      return binding(name, `${IMPORTED}[${JSON.stringify(key)}]`);
    });
    // A global between two statements of one cell, with no await between them: nobody else sees it.
    parts.unshift(`globalThis.${IMPORTED}=${call};`);
    this.#edits.replaceLines(node.start, node.end, parts.join(""));
  }

  #exportNamed(node: ExportNamedDeclaration): void {
    if (!node.declaration) {
      this.#edits.replaceLines(node.start, node.end, "");
      return;
    }
    this.#edits.replace(node.start, node.declaration.start, "");
    this.#statement(node.declaration);
  }

  #exportDefault(node: ExportDefaultDeclaration): void {
    const { declaration } = node;
    this.#edits.replace(node.start, declaration.start, "");
    if (!("body" in declaration) || declaration.type === "ArrowFunctionExpression") return;
    if ("id" in declaration && declaration.id) {
      this.#statement(declaration);
      return;
    }
    this.#edits.replace(declaration.start, declaration.start, "(");
    this.#edits.replace(declaration.end, declaration.end, ");");
  }

  #importExpression(node: AnyNode): void {
    if (node.type === "ImportExpression") this.#edits.replace(node.start, node.start + "import".length, IMPORT);
    if (node.type === "MetaProperty" && node.meta.name === "import")
      this.#edits.replace(node.start, node.end, IMPORT_META);
  }
}

/** Whether the last statement says something; the bare `var Name;` that transformed TypeScript ends with does not count. */
function hasValue(program: Program): boolean {
  const last = program.body.findLast(
    (node) => !(node.type === "VariableDeclaration" && node.declarations.every(({ init }) => !init)),
  );
  if (!last) return false;
  return !WITHOUT_VALUE.has(last.type) && !last.type.startsWith("Export")
    ? true
    : last.type === "ExportDefaultDeclaration";
}
