import { execFileSync } from "node:child_process";
import { chmodSync, cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readConfig } from "../../src/config.ts";
import { REPOSITORY } from "./daemon.ts";

/**
 * Makes a folder of kernels in `folder` that has Python only, whose interpreter sees the packages that `npm run kernels` has
 * installed but IPython.
 */
export function makePlainPython(folder: string): string {
  const { preparedDir } = readConfig({ root: REPOSITORY, argv: [], env: process.env, isTerminal: false });
  const venv = join(folder, "venv");
  chmodSync(folder, 0o755);
  execFileSync("/usr/bin/python3", ["-m", "venv", "--without-pip", "--system-site-packages", venv]);
  const packages = sitePackages(join(preparedDir, "python"));
  for (const name of readdirSync(packages)) {
    if (!/^ipython/i.test(name)) symlinkSync(join(packages, name), join(sitePackages(venv), name));
  }
  const kernels = join(folder, "kernels");
  mkdirSync(kernels);
  cpSync(join(REPOSITORY, "kernels", "python"), join(kernels, "python"), { recursive: true });
  const manifest = join(kernels, "python", "kernel.json");
  const facts = JSON.parse(readFileSync(manifest, "utf8")) as object;
  writeFileSync(manifest, JSON.stringify({ ...facts, interpreters: [join(venv, "bin", "python")] }));
  return kernels;
}

function sitePackages(environment: string): string {
  const [version = ""] = readdirSync(join(environment, "lib"));
  return join(environment, "lib", version, "site-packages");
}
