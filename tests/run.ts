// `npm test`: installs what the tests need, runs them all, and ends with one line that counts them.
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { prepareImageTools, prepareMachine } from "./helpers/prepare-machine.ts";

interface Report {
  success: boolean;
  testResults: {
    name: string;
    status: string;
    message?: string;
    assertionResults: { status: string; fullName: string; failureMessages?: string[] }[];
  }[];
}

/** Those of `npm test`; `--soak` and `--image` run the one of that name instead. */
const USUAL_PROJECTS = ["unit", "http", "curl", "kernels", "sdk"];

const root = join(import.meta.dirname, "..");
const reportFile = join(root, ".cache", "test-report.json");
const special = ["soak", "image"].find((project) => process.argv.includes(`--${project}`));
const filters = process.argv.slice(2).filter((argument) => argument !== `--${special}`);

prepareMachine(root);
if (special === "image") prepareImageTools(root);
mkdirSync(join(root, ".cache"), { recursive: true });
rmSync(reportFile, { force: true });
const projects = (special ? [special] : USUAL_PROJECTS).flatMap((project) => ["--project", project]);
const { status } = spawnSync(
  process.execPath,
  [
    join(root, "node_modules", "vitest", "vitest.mjs"),
    "run",
    ...projects,
    "--reporter=default",
    "--reporter=json",
    `--outputFile.json=${reportFile}`,
    ...filters,
  ],
  { cwd: root, stdio: "inherit", env: { ...process.env, GUESTD_SOAK: special === "soak" ? "1" : "" } },
);

const counts = { passed: 0, failed: 0, skipped: 0 };
const { testResults } = JSON.parse(readFileSync(reportFile, "utf8")) as Report;
for (const { name, status: fileStatus, message, assertionResults } of testResults) {
  for (const test of assertionResults) {
    if (test.status === "passed") counts.passed += 1;
    else if (test.status === "failed") counts.failed += 1;
    else {
      counts.skipped += 1;
      console.log(`skipped: ${test.fullName}`);
    }
  }
  // A file that could not even be loaded has no tests to count.
  if (fileStatus === "failed" && !assertionResults.some((test) => test.status === "failed")) {
    counts.failed += 1;
    console.log(`failed: ${name}: ${message ?? ""}`);
  }
}
const isGood = status === 0 && counts.failed === 0 && counts.passed > 0;
console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
process.exitCode = isGood ? 0 : 1;
