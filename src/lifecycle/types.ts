export type { Freezer } from "../host/freezer.ts";
export type { FrozenFileSystem } from "../host/frozen-file-system.ts";
