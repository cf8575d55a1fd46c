import { mkdtempDisposableSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readConfig } from "../../../src/config.ts";
import { CONFIG_FIELDS } from "../../../src/config-fields.ts";
import { REPOSITORY } from "../../helpers/daemon.ts";
import { fencesOf } from "../../helpers/fences.ts";

/** Which documents a test runs the blocks of; each of these tests reads the documents that it names here. */
const RUNNERS: Readonly<Record<string, readonly string[]>> = {
  "console run": ["README.md", "docs/curl.md"],
  "js run": ["README.md", "docs/sdk.md"],
  "js run with a control plane": ["README.md", "docs/sdk.md"],
  "python run": ["README.md", "docs/sdk.md"],
  "python run with a control plane": ["README.md", "docs/sdk.md"],
  "sh run": ["docs/quickstart.md"],
};

const documents = ["", "docs", "docs/decisions", "kernels"].flatMap((folder) =>
  readdirSync(join(REPOSITORY, folder))
    .filter((name) => name.endsWith(".md"))
    .map((name) => join(folder, name)),
);

test("no block says that it is run where no test runs it", () => {
  expect(documents).toEqual(expect.arrayContaining(["README.md", "docs/curl.md", "docs/deploy.md", "CONTRIBUTING.md"]));
  const unclaimed = documents.flatMap((document) =>
    fencesOf(join(REPOSITORY, document))
      .filter(({ info }) => /\brun\b/.test(info) && !RUNNERS[info]?.includes(document))
      .map(({ info, line }) => `${document}:${line}: ${info}`),
  );
  expect(unclaimed).toEqual([]);
});

/** What is read before there are settings. */
const OTHER_VARIABLES = ["GUESTD_TOKEN", "GUESTD_TOKEN_FILE", "GUESTD_CONFIG"];

test("documents for users name no variable that guestd does not read, and no flag that it does not take", () => {
  const fields = Object.values(CONFIG_FIELDS);
  const variables = new Set([...OTHER_VARIABLES, ...fields.map(({ env }) => env)]);
  const flags = new Set(["help", "version", ...fields.flatMap(({ flag }) => [flag, `no-${flag}`])]);
  const named = documents
    .filter((document) => !document.startsWith("docs/decisions") && document !== "CONTRIBUTING.md")
    .flatMap((document) => {
      const text = readFileSync(join(REPOSITORY, document), "utf8");
      const found = [...text.matchAll(/\bGUESTD_[A-Z_]*[A-Z]\b/g)].map(([name]) => name);
      // Of command lines of guestd's, up to the next word that could be another program's.
      const lines = [...text.matchAll(/\bguestd((?: +(?:health|doctor|--[\w-]+(?:[ =][\w.:/…]+)?))+)/g)];
      const words = lines.flatMap(([, line = ""]) => [...line.matchAll(/--([\w-]+)/g)].map(([, flag = ""]) => flag));
      return [
        ...found.map((name) => [document, name, variables.has(name)] as const),
        ...words.map((flag) => [document, `--${flag}`, flags.has(flag)] as const),
      ];
    });
  expect(named.length).toBeGreaterThan(50);
  expect(named).toContainEqual(["docs/deploy.md", "--host", true]);
  expect(named.filter(([, , isKnown]) => !isKnown)).toEqual([]);
});

test("the file of settings in docs/deploy.md is one", () => {
  const [file] = fencesOf(join(REPOSITORY, "docs", "deploy.md")).filter(({ info }) => info === "json");
  using folder = mkdtempDisposableSync(join(tmpdir(), "guestd-documents-"));
  const path = join(folder.path, "guestd.json");
  writeFileSync(path, file?.text ?? "");
  const env = { GUESTD_CONFIG: path, DATABASE_URL: "db" };
  expect(readConfig({ root: REPOSITORY, argv: [], env, isTerminal: false })).toMatchObject({
    startCommand: "npm run dev",
    imageEnv: { NODE_ENV: "development", DATABASE_URL: "db" },
  });
});
