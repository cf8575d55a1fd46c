import { lstat, readlink } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { errnoName, SandboxError } from "../errors.ts";

/** As many as the kernel follows. */
const MAX_LINKS = 40;

/**
 * Refuses a path that leads through a link which neither root nor we ourselves have made: whoever has would decide where it leads.
 * What is missing of it is nobody's.
 * @throws SandboxError failed_precondition, or the system's error
 */
export async function refuseForeignLinks(path: string): Promise<void> {
  let at = "/";
  let rest = partsOf(path);
  for (let links = 0; rest.length > 0;) {
    at = join(at, rest[0] ?? "");
    rest = rest.slice(1);
    // oxlint-disable-next-line no-await-in-loop -- each decides what the next one is
    const target = await targetOf(at);
    if (target === "none") return;
    if (target === undefined) continue;
    links += 1;
    if (links > MAX_LINKS) throw new SandboxError("failed_precondition", `${JSON.stringify(path)} is a loop of links`);
    rest = [...partsOf(resolve(dirname(at), target.link)), ...rest];
    at = "/";
  }
}

function partsOf(path: string): string[] {
  return path.split("/").filter(Boolean);
}

/** Undefined for what is no link. */
async function targetOf(path: string): Promise<{ link: string } | "none" | undefined> {
  try {
    const found = await lstat(path);
    if (!found.isSymbolicLink()) return undefined;
    if (found.uid === 0 || found.uid === process.geteuid?.()) return { link: await readlink(path) };
    throw new SandboxError("failed_precondition", `${JSON.stringify(path)} is a link of user ${found.uid}'s`);
  } catch (error) {
    if (errnoName(error) === "ENOENT") return "none";
    throw error;
  }
}
