import type { GitProgram } from "./git-program.ts";
import { readStatus, STATUS } from "./read-status.ts";
import type { Status, Where } from "./types.ts";

/** The state of a repository; `options` say of which files. @throws SandboxError not_a_repository, not_found */
export async function lookAt(program: GitProgram, where: Where, options: readonly string[]): Promise<Status> {
  const { path, user, signal } = where;
  return program.use({ user, signal, cwd: path }, async (run) => readStatus(await run([...STATUS, ...options])));
}
