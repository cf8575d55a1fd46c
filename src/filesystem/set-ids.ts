import type { FileDescriptor, FileStats } from "../host/file-access.ts";
import { OWN_FILE_ACCESS } from "../host/own-file-access.ts";

const SETUID = 0o4000;
const SETGID = 0o2000;
const GROUP_EXECUTE = 0o010;
const OTHER_MODE_BITS = 0o1777;

/**
 * Takes set-id bits from a file that an ordinary user is about to write, as the kernel does when a program of theirs writes it. What we
 * write to an open file we write with guestd's own rights, and for root the kernel leaves the bits: another's program would run their bytes.
 * @throws the system error of chmod
 */
export async function dropSetIds(file: FileDescriptor, { mode }: Pick<FileStats, "mode">): Promise<void> {
  const { user } = file.access;
  if (!user || user.uid === 0) return;
  const bits = Number(mode);
  const isGroupProgram = (bits & SETGID) !== 0 && (bits & GROUP_EXECUTE) !== 0;
  if ((bits & SETUID) === 0 && !isGroupProgram) return;
  // Not with the user's rights: the file may be another's.
  await OWN_FILE_ACCESS.changeMode(file.self, bits & OTHER_MODE_BITS);
}
