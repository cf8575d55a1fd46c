import { type EntryInit, encodeEntryList } from "../contracts/entry-list.ts";
import { FileType } from "../contracts/filesystem-enums.ts";
import { Filesystem as FilesystemService } from "../contracts/gen/filesystem_pb.js";
import type { Call } from "../edge/connect/call.ts";
import { lateMethods } from "../edge/connect/methods.ts";
import { unaryRoute } from "../edge/connect/unary.ts";
import type { Route } from "../edge/route.ts";
import type { Caller, Filesystem } from "./filesystem.ts";
import type { Entry, EntryType } from "./types.ts";

/** Clients of old Python SDKs know only the first fields of an entry. */
const LEGACY_USER_AGENT = "connect-python";

/** The routes of `filesystem.Filesystem` that are not about watching. */
export function filesystemRpcRoutes(filesystem: Filesystem): Route[] {
  const method = lateMethods("filesystem.Filesystem", () => FilesystemService.method);
  return [
    unaryRoute(method.stat, async ({ path }, call) => {
      const entry = await filesystem.stat(path, callerOf(call));
      return { entry: entryFor(call)(entry) };
    }),
    unaryRoute(method.makeDir, async ({ path }, call) => {
      const entry = await filesystem.makeDir(path, callerOf(call));
      return { entry: entryFor(call)(entry) };
    }),
    unaryRoute(method.move, async ({ source, destination }, call) => {
      const entry = await filesystem.move(source, destination, callerOf(call));
      return { entry: entryFor(call)(entry) };
    }),
    unaryRoute(method.listDir, ({ path, depth }, call) => {
      const entries = filesystem.entries(path, Math.max(depth, 1), callerOf(call));
      return encodeEntryList(inWireForm(entries, entryFor(call)), call.codec);
    }),
    unaryRoute(method.remove, async ({ path }, call) => {
      await filesystem.remove(path, callerOf(call));
      return {};
    }),
  ];
}

function callerOf(call: Call): Caller {
  return { user: call.user, signal: call.signal };
}

/** How entries are told to this client. */
function entryFor({ bindings: { incoming, outgoing } }: Call): (entry: Entry) => EntryInit {
  if (incoming.headers["user-agent"] !== LEGACY_USER_AGENT) return entryInfo;
  outgoing.setHeader("X-E2B-Legacy-SDK", "true");
  return ({ name, type, path }) => ({ name, type: TYPES[type], path });
}

async function* inWireForm(
  entries: AsyncIterable<Entry[]>,
  toWire: (entry: Entry) => EntryInit,
): AsyncGenerator<EntryInit[]> {
  for await (const some of entries) yield some.map(toWire);
}

const TYPES: Readonly<Record<EntryType, FileType>> = {
  file: FileType.FILE,
  directory: FileType.DIRECTORY,
  other: FileType.UNSPECIFIED,
};

/** An entry on the wire. */
export function entryInfo(entry: Entry): EntryInit {
  const { name, type, path, mode, permissions, owner, group, modifiedTime, symlinkTarget, metadata } = entry;
  return {
    name,
    type: TYPES[type],
    path,
    mode,
    permissions,
    owner,
    group,
    size: BigInt(entry.sizeBytes),
    metadata: { ...metadata },
    ...(modifiedTime && {
      modifiedTime: { seconds: BigInt(modifiedTime.seconds), nanos: modifiedTime.nanoseconds },
    }),
    ...(symlinkTarget !== undefined && { symlinkTarget }),
  };
}
