import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { cp, glob, writeFile } from "node:fs/promises";
import { stripTypeScriptTypes } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join, normalize } from "node:path";
import { parse } from "acorn";
import { expect, test } from "vitest";

/** Folder of src → folders its domain files may import. `errors.ts` and `log.ts` are open to all. */
const DOMAIN: Record<string, readonly string[]> = {
  lib: [],
  host: ["lib"],
  runs: ["host", "lib"],
  filesystem: ["host", "lib"],
  watch: ["filesystem", "host", "lib"],
  processes: ["runs", "host", "lib"],
  pty: ["runs", "host", "lib"],
  kernels: ["runs", "host", "lib"],
  template: ["processes", "runs", "host", "lib"],
  ports: ["runs", "host", "lib"],
  git: ["runs", "host", "lib"],
  metrics: ["runs", "host", "lib"],
  lifecycle: ["runs", "host", "lib"],
  edge: ["contracts", "lib"],
};
/** Files that speak HTTP, `rest.ts`, `rpc.ts` and `<what>-rest.ts`, see their own capability and the edge. */
const EDGE = ["edge", "contracts", "lib"];
const IS_EDGE_FILE = /\/(?:[\w-]+-)?(rest|rpc)\.ts$/;
const OPEN = new Set(["errors.ts", "log.ts"]);
const WIRE_PACKAGES = /^(hono|@hono\/|@connectrpc\/|@bufbuild\/|valibot)/;
const MAX_LINES = 300;

interface Import {
  file: string;
  specifier: string;
}

const root = join(import.meta.dirname, "..");

async function sourceFiles(folder: string): Promise<string[]> {
  const files: string[] = [];
  for await (const file of glob("src/**/*.ts", { cwd: folder })) if (!file.includes("/gen/")) files.push(file);
  return files.toSorted();
}

async function imports(folder: string): Promise<Import[]> {
  return (await sourceFiles(folder)).flatMap((file) => {
    const source = readFileSync(join(folder, file), "utf8");
    return [...source.matchAll(/(?:from|import)\s*\(?\s*"([^"]+)"/g)].map(([, specifier = ""]) => ({
      file,
      specifier,
    }));
  });
}

/** First folder (or file) of src that `specifier`, seen from `file`, points to. */
function target({ file, specifier }: Import): string {
  return normalize(join(dirname(file), specifier)).split("/")[1] ?? "";
}

function crosses({ file, specifier }: Import): boolean {
  const folder = file.split("/")[1] ?? "";
  if (folder.endsWith(".ts") || folder === "contracts") return false;
  const isEdgeFile = folder === "edge" || IS_EDGE_FILE.test(file);
  if (!specifier.startsWith(".")) return !isEdgeFile && WIRE_PACKAGES.test(specifier);
  const allowed = IS_EDGE_FILE.test(file) ? EDGE : (DOMAIN[folder] ?? []);
  const to = target({ file, specifier });
  return to !== folder && !OPEN.has(to) && !allowed.includes(to);
}

async function violations(folder: string): Promise<string[]> {
  return (await imports(folder)).filter(crosses).map(({ file, specifier }) => `${file} -> ${specifier}`);
}

test("imports in src only point down", async () => {
  expect(await violations(root)).toEqual([]);
});

test("a planted breach of the layers is found", async () => {
  const copy = mkdtempSync(join(tmpdir(), "guestd-architecture-"));
  try {
    await cp(join(root, "src"), join(copy, "src"), { recursive: true });
    await writeFile(
      join(copy, "src", "runs", "breach.ts"),
      'import { Hono } from "hono";\nimport { pump } from "../edge/pump.ts";\n',
    );
    await writeFile(join(copy, "src", "lib", "breach.ts"), 'export { Users } from "../host/users.ts";\n');
    expect(await violations(copy)).toEqual([
      "src/lib/breach.ts -> ../host/users.ts",
      "src/runs/breach.ts -> hono",
      "src/runs/breach.ts -> ../edge/pump.ts",
    ]);
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
});

test("every folder of src is in the table", async () => {
  const folders = new Set(
    (await sourceFiles(root)).map((file) => file.split("/")[1] ?? "").filter((name) => !name.endsWith(".ts")),
  );
  folders.delete("contracts");
  expect([...folders].filter((folder) => !(folder in DOMAIN))).toEqual([]);
});

test("no file in src imports itself in a circle", async () => {
  const edges = new Map<string, string[]>();
  for (const { file, specifier } of await imports(root)) {
    if (!specifier.startsWith(".") || !specifier.endsWith(".ts")) continue;
    edges.set(file, [...(edges.get(file) ?? []), normalize(join(dirname(file), specifier))]);
  }
  const circles: string[] = [];
  const done = new Set<string>();
  const visit = (file: string, path: readonly string[]): void => {
    if (path.includes(file)) circles.push([...path.slice(path.indexOf(file)), file].join(" -> "));
    if (path.includes(file) || done.has(file)) return;
    for (const next of edges.get(file) ?? []) visit(next, [...path, file]);
    done.add(file);
  };
  for (const file of edges.keys()) visit(file, []);
  expect(circles).toEqual([]);
});

test(`no file in src is longer than ${MAX_LINES} lines`, async () => {
  const long = (await sourceFiles(root)).filter(
    (file) => readFileSync(join(root, file), "utf8").split("\n").length - 1 > MAX_LINES,
  );
  expect(long).toEqual([]);
});

test("only the file that wraps a native or heavy library imports it", async () => {
  const WRAPPERS: Record<string, RegExp> = {
    koffi: /^src\/host\/libc-binding\.ts$/,
    "node-pty": /^src\/host\/(pty|capabilities)\.ts$/,
    chokidar: /^src\/watch\//,
    "simple-git": /^src\/git\//,
    systeminformation: /^src\/metrics\/systeminformation-memory\.d\.ts$/,
    "systeminformation/lib/memory.js": /^src\/metrics\/sample\.ts$/,
  };
  const strays = (await imports(root)).filter(
    ({ file, specifier }) => WRAPPERS[specifier] && !WRAPPERS[specifier].test(file),
  );
  expect(strays).toEqual([]);
});

test("flags whose numbers differ between processors come from Node", async () => {
  const own = /\bO_(?:DIRECTORY|NOFOLLOW|DIRECT|LARGEFILE) = \d/;
  expect((await sourceFiles(root)).filter((file) => own.test(readFileSync(join(root, file), "utf8")))).toEqual([]);
});

test("directories are made in one place, whose rules are other ones than Node's", async () => {
  const own = /\bmkdir(?:Sync)?\([^;]*\brecursive\b/;
  expect((await sourceFiles(root)).filter((file) => own.test(readFileSync(join(root, file), "utf8")))).toEqual([]);
});

test("no limit of time is lost with a collection of garbage: a signal of `any` alone does not hold that of `timeout`", async () => {
  const lost = /AbortSignal\.any\([^;]*AbortSignal\.timeout\(/;
  expect(lost.test("AbortSignal.any([signal, AbortSignal.timeout(LIMIT_MS)])")).toBe(true);
  expect((await sourceFiles(root)).filter((file) => lost.test(readFileSync(join(root, file), "utf8")))).toEqual([]);
});

test("no regular expression in src looks for one repetition at the end: of each place it could begin at it would look for the end", async () => {
  const found: string[] = [];
  for (const file of await sourceFiles(root)) {
    const source = stripTypeScriptTypes(readFileSync(join(root, file), "utf8"));
    for (const pattern of patternsOf(parse(source, { ecmaVersion: "latest", sourceType: "module" }))) {
      if (/^(?:\(.*\))?(?:\[[^\]]*\]|\\?.)[+*]\$$/.test(pattern)) found.push(`${file}: ${pattern}`);
    }
  }
  expect(found).toEqual([]);
});

/** All regular expressions of a program, in the words between their slashes. */
function patternsOf(node: unknown): string[] {
  if (typeof node !== "object" || node === null || node instanceof RegExp) return [];
  const own = "regex" in node ? [(node.regex as { pattern: string }).pattern] : [];
  return [...own, ...Object.values(node).flatMap(patternsOf)];
}
