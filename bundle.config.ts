// How esbuild makes the daemon's bundle: what of packages and of Node is left out or loaded later, so that the start does not wait for it (docs/decisions/0037).
import { builtinModules } from "node:module";
import { join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import type { BuildOptions, Plugin } from "esbuild";

/** Packages, or the file of one, that little of the work needs: their code is read when something first imports them. */
export const LAZY = ["chokidar", "simple-git", "systeminformation/lib/memory.js", "@valibot/to-json-schema"];
export const lazyName = (name: string): string =>
  name
    .replace(/^@.*\//, "")
    .replace(/\.js$/, "")
    .replaceAll("/", "-");

const lazyPackages: Plugin = {
  name: "lazy-packages",
  setup(bundler) {
    bundler.onResolve({ filter: /^[@\w]/ }, ({ path, kind }) =>
      kind === "dynamic-import" && LAZY.includes(path)
        ? { path: `./lazy/${lazyName(path)}.js`, external: true }
        : undefined,
    );
  },
};

/** What packages of ours ask Node for and use only as an HTTP/2 server or as a client, which we are not: package → module → what it gets instead. */
const NEEDLESS: Readonly<Record<string, Record<string, string>>> = {
  "@hono/node-server": { "node:http2": "export class Http2ServerRequest {}\nexport const constants = {};" },
  ws: { https: "module.exports = {};", tls: "module.exports = {};" },
};

const withoutNeedless: Plugin = {
  name: "without-needless",
  setup(bundler) {
    for (const [name, modules] of Object.entries(NEEDLESS)) {
      const isInside = (importer: string): boolean => importer.includes(`/node_modules/${name}/`);
      bundler.onResolve({ filter: /^(node:)?(http2|https|tls)$/ }, ({ path, importer }) =>
        path in modules && isInside(importer) ? { path, namespace: name } : undefined,
      );
      bundler.onLoad({ filter: /./, namespace: name }, ({ path }) => ({ contents: modules[path] ?? "" }));
    }
  },
};

/** koffi's own way to its add-on looks at Node's program file and at all of `node:util`: 5 ms. Where the add-on is elsewhere it goes that way. */
const KOFFI = `
let addOn;
try {
  addOn = require(\`@koromix/koffi-linux-\${process.arch}/linux_\${process.arch}/koffi.node\`);
} catch {
  addOn = require("koffi");
}
module.exports = addOn;`;

export const nearKoffi: Plugin = {
  name: "near-koffi",
  setup(bundler) {
    bundler.onResolve({ filter: /^koffi$/ }, ({ namespace }) =>
      namespace === "near-koffi" ? { path: "koffi", external: true } : { path: "koffi", namespace: "near-koffi" },
    );
    bundler.onLoad({ filter: /./, namespace: "near-koffi" }, () => ({ contents: KOFFI }));
  },
};

/**
 * What takes milliseconds to load and is not needed until a client asks for something: modules of Node, and the descriptors of the RPCs with all that
 * reads them. They are loaded when something of them is first used.
 */
const LATE = /^(node:)?(crypto|fs\/promises|v8|worker_threads)$|^@bufbuild\/protobuf$|\/gen\/\w+_pb\.js$/;

const lateModules: Plugin = {
  name: "late-modules",
  setup(bundler) {
    bundler.onResolve({ filter: LATE }, async ({ path, resolveDir, namespace, pluginData }) => {
      if (pluginData === IN_ITSELF) return undefined;
      const isInside = namespace === "late-modules";
      const isOfNode = builtinModules.includes(path.replace(/^node:/, ""));
      if (isOfNode) {
        const name = path.replace(/^(node:)?/, "node:");
        return isInside
          ? { path: name, external: true }
          : { path: name, namespace: "late-modules", sideEffects: false };
      }
      // As an `import` finds it, whoever asks: a package has other files for `require`, and both would come along.
      const options = { kind: "import-statement", resolveDir, pluginData: IN_ITSELF } as const;
      const { path: file, errors } = await bundler.resolve(path, options);
      if (errors.length > 0) return { errors };
      if (isInside) return { path: file };
      // The bundle names it: not by where it was built.
      const late = { path: relative(import.meta.dirname, file), namespace: "late-modules", sideEffects: false };
      return { ...late, pluginData: { file, specifier: path, resolveDir } };
    });
    bundler.onLoad({ filter: /./, namespace: "late-modules" }, async ({ path, pluginData }) => {
      const { file, specifier, resolveDir } = (pluginData ?? {}) as Partial<LateFile>;
      const names = Object.keys((await import(file === undefined ? path : pathToFileURL(file).href)) as object);
      return { contents: lateModule(specifier ?? path, names), resolveDir: resolveDir ?? import.meta.dirname };
    });
  },
};

/** Where a module of ours or of a package is: as it was asked for, from which folder, and its file. */
interface LateFile {
  file: string;
  specifier: string;
  resolveDir: string;
}

/** Marks the question where esbuild itself would find a module. */
const IN_ITSELF = "in itself";
/** Classes among what is late: they are only ever made with `new`. */
const CLASSES = ["Worker", "X509Certificate"];

/**
 * In generated code are objects: getters, since in the bundle each use of an imported name is one of a property. Of the rest only functions that
 * begin with a small letter and some classes can be imported.
 */
function lateModule(specifier: string, names: readonly string[]): string {
  const late = `let loaded;\nconst late = () => (loaded ??= require(${JSON.stringify(specifier)}));\n`;
  if (specifier.endsWith("_pb.js")) {
    return `${late}module.exports = { ${names.map((name) => `get ${name}() { return late().${name}; }`).join(", ")} };`;
  }
  const functions = names
    .filter((name) => /^[a-z]/.test(name) && name !== "default")
    .map((name) => `export function ${name}(...given) { return late().${name}(...given); }`);
  const classes = names
    .filter((name) => CLASSES.includes(name))
    .map((name) => `export function ${name}(...given) { return new (late().${name})(...given); }`);
  return [late, ...functions, ...classes].join("\n");
}

export const forNode = {
  bundle: true,
  // Node's ES modules cost 30 ms at each start, and bring its HTTP client along with node:http (docs/decisions/0037).
  format: "cjs",
  platform: "node",
  target: "node24",
  supported: { "dynamic-import": false },
  define: { "import.meta.dirname": "__dirname" },
  // Native add-ons find their binaries relative to their own files.
  external: ["koffi", "node-pty"],
  // Comments and spaces would stay in memory with the source, and the first letter that is not ASCII doubles all of it.
  minifyWhitespace: true,
  lineLimit: 120,
  legalComments: "none",
  sourcemap: "linked",
  logLevel: "warning",
} satisfies BuildOptions;

/** For the daemon itself. */
export const inDaemon = {
  ...forNode,
  plugins: [lazyPackages, withoutNeedless, nearKoffi, lateModules],
  // ws looks for an add-on of that name, which we do not bring.
  define: {
    ...forNode.define,
    "process.env.WS_NO_BUFFER_UTIL": '"1"',
    "Uint8Array.prototype.setFromBase64": "setBytesFromBase64",
  },
  inject: [join(import.meta.dirname, "src", "contracts", "set-bytes-from-base64.ts")],
} satisfies BuildOptions;
