import { readdirSync, readlinkSync, statSync } from "node:fs";
import { errnoName } from "../errors.ts";
import { withFileIds } from "./libc-credentials.ts";

/** What the descriptors of a process refer to (`/dev/null`, `pipe:[7]`, `socket:[9]`); none when it is gone, or not ours to look at. */
export function descriptorTargets(pid: number): string[] {
  try {
    return readTargets(pid);
  } catch (error) {
    return errnoName(error) === "EACCES" && process.geteuid?.() === 0 ? targetsAsOwner(pid) : [];
  }
}

/** In a container root may lack CAP_SYS_PTRACE, and sees of others what they see of themselves: looked at as them. */
function targetsAsOwner(pid: number): string[] {
  try {
    const { uid, gid } = statSync(`/proc/${pid}`);
    return withFileIds({ uid, gid }, () => readTargets(pid));
  } catch {
    return [];
  }
}

function readTargets(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => linkOf(`/proc/${pid}/fd/${fd}`));
}

function linkOf(path: string): string[] {
  try {
    return [readlinkSync(path)];
  } catch (error) {
    if (errnoName(error) === "ENOENT") return []; // closed meanwhile, as the one of the listing itself is
    throw error;
  }
}
