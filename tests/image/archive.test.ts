import { execFile } from "node:child_process";
import { mkdtempDisposableSync } from "node:fs";
import { stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { promisify } from "node:util";
import { beforeAll, describe, expect, test } from "vitest";
import { type ReportedRow, targetText } from "../../bench/lib/report.ts";
import { REPOSITORY } from "../helpers/daemon.ts";
import { IS_SLIM } from "./container.ts";

const execute = promisify(execFile);
const MAX_BYTES = 45e6;
/** What is asked of it by name, in the order of bench/image.ts: MB compressed, ms to /health, ms to both contexts, MB of RSS and of PSS. */
const LIMITS = [45, 150, 1000, 80, 220];

/** What `npm run artefact` says that it has made. */
interface Made {
  file: string;
  digest: string;
  seconds: number;
}

async function makeArtefact(...options: string[]): Promise<Made> {
  const began = performance.now();
  const script = join(REPOSITORY, "archive.config.ts");
  const { stdout } = await execute(process.execPath, [script, ...options], { maxBuffer: 64 * 1024 * 1024 });
  const [, file = "", digest = ""] = /^(.*): [\d.]+ MB, SHA-256 ([0-9a-f]{64})\n$/.exec(stdout) ?? [];
  return { file, digest, seconds: (performance.now() - began) / 1000 };
}

describe("npm run artefact", () => {
  let made: Made;
  beforeAll(async () => {
    made = await makeArtefact();
  });

  test("packs at most 45 MB, with the sum beside it", async () => {
    const { file, digest } = made;
    const { size } = await stat(file);
    console.log(`image: artefact ${(size / 1e6).toFixed(1)} MB compressed`);
    expect(size).toBeLessThanOrEqual(MAX_BYTES);
    const check = execute("sha256sum", ["--check", `${basename(file)}.sha256`], { cwd: dirname(file) });
    expect((await check).stdout).toBe(`${basename(file)}: OK\n`);
    expect(digest).not.toBe("");
  });

  // Takes as long as building everything does.
  if (!IS_SLIM) {
    test("packs the same bytes when everything is built anew", async () => {
      const again = await makeArtefact("--no-cache");
      console.log(
        `image: artefact built anew in ${again.seconds.toFixed(0)} s, with what was kept in ${made.seconds.toFixed(0)} s`,
      );
      expect(again.digest).toBe(made.digest);
    });
  }

  test("runs from wherever it is unpacked", async () => {
    using folder = mkdtempDisposableSync(join(tmpdir(), "guestd-artefact-"));
    await execute("tar", ["-C", folder.path, "-xzf", made.file]);
    const launcher = join(folder.path, "opt", "guestd", "bin", "guestd");
    expect((await execute(launcher, ["doctor"])).stdout).toMatch(/ok +processes +.*guestd-shim\n/);
  });

  // Some forty seconds, which say little while other tests run.
  if (!IS_SLIM) {
    test("has what it costs measured beside its limits", async () => {
      const { stdout } = await execute(process.execPath, [join(REPOSITORY, "bench", "image.ts")]);
      const rows = stdout
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as ReportedRow);
      for (const { what, ours, unit, target, isMet } of rows) {
        const limit = target ? ` (${targetText(target, unit)}${isMet ? "" : ", missed"})` : "";
        console.log(`image: ${what}: ${ours} ${unit}${limit}`);
      }
      expect(rows.filter(({ ours }) => ours === undefined)).toEqual([]);
      expect(rows.flatMap(({ target }) => target?.atMost ?? [])).toEqual(LIMITS);
    });
  }
});
