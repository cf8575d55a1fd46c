// `npm test`: installs what the tests need, runs them all, and ends with one line that counts them.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, openSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { prepareImageTools, prepareMachine } from "./helpers/prepare-machine.ts";

interface Report {
  testResults: {
    name: string;
    status: string;
    message?: string;
    assertionResults: {
      status: string;
      fullName: string;
      failureMessages?: string[];
      meta?: { skipReason?: string };
    }[];
  }[];
}

/** Those of `npm test`, which goes on with the slim form of `image`; `--soak` and `--image` run the one of that name instead. */
const USUAL_PROJECTS = ["unit", "http", "curl", "kernels", "sdk"];

const root = join(import.meta.dirname, "..");
const cache = join(root, ".cache");
const counts = { passed: 0, failed: 0, skipped: 0 };

/** Runs the tests of `projects` that `filters` let through, and counts them. */
async function runProjects(
  projects: readonly string[],
  filters: readonly string[],
  env: Record<string, string> = {},
): Promise<void> {
  const reportFile = join(cache, "test-report.json");
  rmSync(reportFile, { force: true });
  const running = spawn(
    process.execPath,
    [
      join(root, "node_modules", "vitest", "vitest.mjs"),
      "run",
      ...projects.flatMap((project) => ["--project", project]),
      "--reporter=default",
      "--reporter=json",
      `--outputFile.json=${reportFile}`,
      ...filters,
    ],
    { cwd: root, stdio: "inherit", env: { ...process.env, ...env } },
  );
  const [status] = (await once(running, "exit")) as [number | null];
  const failedBefore = counts.failed;
  if (existsSync(reportFile)) count(JSON.parse(readFileSync(reportFile, "utf8")) as Report);
  // Something went wrong outside of the tests.
  if (status !== 0 && counts.failed === failedBefore) fail(`vitest ended with status ${status}`);
}

function count({ testResults }: Report): void {
  for (const { name, status: fileStatus, message, assertionResults } of testResults) {
    for (const test of assertionResults) {
      if (test.status === "passed") counts.passed += 1;
      else if (test.status === "failed") counts.failed += 1;
      else {
        counts.skipped += 1;
        const { skipReason } = test.meta ?? {};
        console.log(`skipped: ${test.fullName}${skipReason === undefined ? "" : ` (${skipReason})`}`);
      }
    }
    // A file that could not even be loaded has no tests to count.
    if (fileStatus === "failed" && !assertionResults.some((test) => test.status === "failed"))
      fail(`${name}: ${message ?? ""}`);
  }
}

function fail(what: string): void {
  counts.failed += 1;
  console.log(`failed: ${what}`);
}

/** Builds the slim image, and installs what that takes, while other tests run, behind them in everything: it mostly waits for registries. */
async function buildSlimImage(): Promise<void> {
  const log = openSync(join(cache, "slim-image.log"), "w");
  await behindOthers(log, [process.execPath, join(root, "tests", "helpers", "prepare-image-tools.ts")]);
  const script = join(root, "tests", "image", "build-image.sh");
  await behindOthers(log, [script, "-C", root, "-t", "localhost/guestd:slim", "--target", "slim"]);
}

async function behindOthers(log: number, command: readonly string[]): Promise<void> {
  const running = spawn("nice", ["-n", "19", "ionice", "-c", "3", ...command], {
    cwd: root,
    stdio: ["ignore", log, log],
  });
  await new Promise((resolve) => running.on("close", resolve).on("error", resolve));
}

async function runUsual(): Promise<void> {
  if (process.geteuid?.() !== 0) {
    console.log("not root: the image is neither built nor tested");
    return await runProjects(USUAL_PROJECTS, []);
  }
  const building = buildSlimImage();
  await runProjects(USUAL_PROJECTS, []);
  await building;
  // What has failed there is done once more, and says why: the tests find the image in the cache.
  prepareImageTools(root);
  await runProjects(["image"], [], { GUESTD_IMAGE: "slim" });
}

const special = ["soak", "image"].find((project) => process.argv.includes(`--${project}`));
const filters = process.argv.slice(2).filter((argument) => argument !== `--${special}`);

mkdirSync(cache, { recursive: true });
prepareMachine(root);
if (special === "image") prepareImageTools(root);
if (special) await runProjects([special], filters);
else if (filters.length > 0) await runProjects(USUAL_PROJECTS, filters);
else await runUsual();

console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
process.exitCode = counts.failed === 0 && counts.passed > 0 ? 0 : 1;
