import { spawnSync } from "node:child_process";
import { type Dirent, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";

/** Types of file systems that the kernel makes up. */
const NO_FILES =
  /^(?:autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|fusectl|mqueue|nsfs|proc|pstore|rpc_pipefs|securityfs|sysfs|tracefs)$/;

/** What a secret looks like where it could have got to. */
export function formsOf({ username, password }: { username: string; password: string }): Buffer[] {
  const basic = Buffer.from(`${username}:${password}`).toString("base64").replace(/=+$/, "");
  return [password, encodeURIComponent(password), basic].map((text) => Buffer.from(text));
}

/** Files below `folders` that hold one of `forms`, and links and names that do. */
export function filesWith(forms: readonly Buffer[], folders: readonly string[]): string[] {
  return folders.flatMap((folder) =>
    entriesOf(folder).flatMap((entry) => {
      const path = join(folder, entry.name);
      const hits = forms.some((form) => entry.name.includes(form.toString())) ? [path] : [];
      if (entry.isDirectory()) return [...hits, ...filesWith(forms, [path])];
      return entry.isFile() && holds(path, forms) ? [...hits, path] : hits;
    }),
  );
}

/** Files of this machine that have changed since then and hold one of `forms`. */
export function changedFilesWith(forms: readonly Buffer[], since: Date): string[] {
  const roots = fileSystems();
  const newer = ["-xdev", "-type", "f", "-newerct", `@${since.getTime() / 1000}`, "-print0"];
  // What is gone meanwhile makes it fail.
  const { stdout } = spawnSync("find", [...roots, ...newer], { maxBuffer: 256 * 1024 * 1024 });
  const names = new Set(stdout.toString("utf8").split("\0").filter(Boolean));
  return [...names].filter((name) => forms.some((form) => name.includes(form.toString())) || holds(name, forms));
}

/** Roots of file systems with files, of each one; what a container engine has mounted for another root is in its layers too. */
function fileSystems(): string[] {
  const points = readFileSync("/proc/self/mounts", "utf8")
    .split("\n")
    .map((line) => line.split(" "))
    .filter(([, point = "/", type = ""]) => !NO_FILES.test(type) && (type !== "overlay" || point === "/"))
    .map(([, point = ""]) =>
      point.replaceAll(/\\([0-7]{3})/g, (_all, code: string) => String.fromCharCode(parseInt(code, 8))),
    );
  const byDevice = new Map<number, string>();
  for (const point of ["/", ...points.filter(Boolean)]) {
    const device = statSync(point, { throwIfNoEntry: false })?.dev;
    if (device !== undefined && !byDevice.has(device)) byDevice.set(device, point);
  }
  return [...byDevice.values()];
}

/** Command lines and environments of processes that hold one of `forms`. */
export function processesWith(forms: readonly Buffer[]): string[] {
  return entriesOf("/proc")
    .filter(({ name }) => /^\d+$/.test(name))
    .flatMap(({ name }) => ["cmdline", "environ"].map((what) => `/proc/${name}/${what}`))
    .filter((path) => holds(path, forms));
}

/** Looks at all processes again and again until `work` is done; returns what it found, with what came of `work`. */
export async function watchProcesses<T>(
  forms: readonly Buffer[],
  work: Promise<T>,
): Promise<{ hits: string[]; result: PromiseSettledResult<T>; rounds: number }> {
  const hits = new Set<string>();
  const state = { isOver: false, rounds: 0 };
  const settled = Promise.allSettled([work]).finally(() => (state.isOver = true));
  while (!state.isOver) {
    for (const hit of processesWith(forms)) hits.add(hit);
    state.rounds += 1;
    await nextTurn();
  }
  const [result] = await settled;
  return { hits: [...hits], result, rounds: state.rounds };
}

function entriesOf(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch {
    return []; // gone meanwhile
  }
}

function holds(path: string, forms: readonly Buffer[]): boolean {
  try {
    const bytes = readFileSync(path);
    return forms.some((form) => bytes.includes(form));
  } catch {
    return false; // gone meanwhile
  }
}
