import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
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
