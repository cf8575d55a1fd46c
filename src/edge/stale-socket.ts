import { once } from "node:events";
import { lstatSync, unlinkSync } from "node:fs";
import { connect } from "node:net";
import { errnoName, SandboxError } from "../errors.ts";

/**
 * Removes the socket that an earlier daemon has left at `path`.
 * @throws SandboxError failed_precondition when something else is there, or somebody still serves on it
 */
export async function removeStaleSocket(path: string): Promise<void> {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (!stat) return;
  if (!stat.isSocket()) {
    throw new SandboxError(
      "failed_precondition",
      `cannot listen on unix:${path}: there is something that is no socket`,
      {
        hint: "name a path that does not exist yet",
      },
    );
  }
  const probe = connect({ path });
  try {
    await once(probe, "connect");
  } catch (error) {
    if (errnoName(error) === "ECONNREFUSED") return unlinkSync(path);
    throw error;
  } finally {
    probe.destroy();
  }
  throw new SandboxError("failed_precondition", `cannot listen on unix:${path}: another program serves there`, {
    hint: "stop it, or name another path",
  });
}
