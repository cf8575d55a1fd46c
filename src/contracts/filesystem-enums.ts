import type * as generated from "./gen/filesystem_pb.js";

/* The enumerations of `filesystem.proto` as plain numbers: the generated ones come with all its descriptors, for which no start is to wait. */

export type FileType = generated.FileType;
export const FileType = { UNSPECIFIED: 0, FILE: 1, DIRECTORY: 2, SYMLINK: 3 } as const;

export type EventType = generated.EventType;
export const EventType = { UNSPECIFIED: 0, CREATE: 1, WRITE: 2, REMOVE: 3, RENAME: 4, CHMOD: 5 } as const;
