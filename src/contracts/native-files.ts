import * as v from "valibot";
import { noList } from "./json-object.ts";
import { QueryNumber, Switch } from "./runs.ts";
import { mustBe } from "./shown-value.ts";

/** Permission bits as `chmod` takes them: octal digits, `644` or `0644`. */
const Mode = v.pipe(
  v.string(),
  v.regex(/^[0-7]{3,4}$|^0[0-7]{4}$/, mustBe('octal digits such as "0644"')),
  v.transform((text) => Number.parseInt(text, 8)),
  v.description("permission bits in octal digits, such as 0644"),
);
const Path = v.pipe(v.string(), v.nonEmpty(), v.description("absolute, or relative to the user's home"));
const User = v.optional(v.pipe(v.string(), v.description("whose files these are; Basic authentication says it too")));

export const ReadQuery = v.object({
  user: User,
  depth: v.optional(v.pipe(QueryNumber, v.minValue(1), v.description("levels of a directory to list; 1"))),
  stat: v.optional(v.pipe(Switch, v.description("answer with the entry itself instead of its content"))),
});
export const WriteQuery = v.object({
  user: User,
  append: v.optional(v.pipe(Switch, v.description("add to the end, all of the body or nothing"))),
  durable: v.optional(v.pipe(Switch, v.description("answer when the disk has it: file and directory are synced"))),
  mode: v.optional(Mode),
});
export const PatchQuery = v.object({ user: User, durable: WriteQuery.entries.durable });
export const RemoveQuery = v.object({
  user: User,
  recursive: v.optional(v.pipe(Switch, v.description("a directory with everything in it"))),
});
export const ChangeQuery = v.object({ user: User });

const Overwrite = v.optional(
  v.pipe(v.boolean(), v.description("replace what is there, unless it is a directory")),
  false,
);
const Recursive = v.optional(
  v.pipe(v.boolean(), v.description("everything in a directory too; links are left alone")),
  false,
);

/** JSON body of `POST /v1/files/{path}`: what to do with what is at the path. */
export const ChangeBody = noList(
  v.variant("op", [
    v.strictObject({ op: v.literal("mkdir"), mode: v.optional(Mode) }),
    v.strictObject({ op: v.literal("move"), to: Path, overwrite: Overwrite }),
    v.strictObject({ op: v.literal("copy"), to: Path, overwrite: Overwrite }),
    v.strictObject({ op: v.literal("chmod"), mode: Mode, recursive: Recursive }),
    v.strictObject({
      op: v.literal("chown"),
      owner: v.optional(v.pipe(v.string(), v.nonEmpty(), v.description("name or number"))),
      group: v.optional(v.pipe(v.string(), v.nonEmpty(), v.description("name or number"))),
      recursive: Recursive,
    }),
    v.strictObject({
      op: v.literal("symlink"),
      target: v.pipe(v.string(), v.nonEmpty(), v.description("what the link leads to, as it is to be stored")),
      overwrite: Overwrite,
    }),
  ]),
);
export type ChangeBody = v.InferOutput<typeof ChangeBody>;

const Kind = v.picklist(["file", "directory", "symlink", "fifo", "socket", "device", "unknown"]);

/** One file, directory or link. */
export const NativeEntry = v.object({
  name: v.string(),
  path: v.string(),
  type: v.pipe(Kind, v.description("what it is itself; unknown where it may not be looked at")),
  size: v.number(),
  mode: v.pipe(v.string(), v.description("octal, with set-id and sticky bits")),
  permissions: v.pipe(v.string(), v.description("as ls shows them")),
  owner: v.string(),
  group: v.string(),
  links: v.number(),
  modifiedAt: v.nullable(v.string()),
  target: v.optional(v.pipe(v.string(), v.description("where a link leads in the end"))),
  targetType: v.optional(v.picklist(["file", "directory", "other"])),
  metadata: v.optional(v.record(v.string(), v.string())),
});
export type NativeEntry = v.InferOutput<typeof NativeEntry>;

export const Listing = v.object({ path: v.string(), entries: v.array(NativeEntry) });
export const Written = v.object({
  ...NativeEntry.entries,
  etag: v.nullable(v.string()),
  atomic: v.pipe(
    v.boolean(),
    v.description("false: written in place, since the file cannot be replaced (a mount of its own, another owner)"),
  ),
});

/** Body of `POST /files/compose`. */
export const ComposeBody = v.object({
  source_paths: v.optional(v.nullable(v.array(v.string())), []),
  destination: v.optional(v.string(), ""),
  username: v.optional(v.string()),
});
export const ComposeAnswer = v.object({ name: v.string(), path: v.string(), type: v.literal("file") });
