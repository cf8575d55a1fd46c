import * as v from "valibot";
import { Argument, Path, Text, Timeout, User } from "./git-words.ts";
import { noList } from "./json-object.ts";

const Key = v.pipe(
  Text,
  v.regex(/^[a-z\d][a-z\d-]*(?:\.[^\n]+)?\.[a-z][a-z\d-]*$/i, "must be a key such as user.name"),
);
const WholePath = v.optional(v.pipe(Path, v.description("a repository; without one: of the user and the machine")));
const Scope = v.pipe(
  v.picklist(["local", "global", "system"]),
  v.description("of the repository, the user, the machine"),
);

export const ConfigBody = noList(
  v.strictObject({
    path: WholePath,
    key: Key,
    value: Argument,
    scope: v.optional(Scope, "local"),
    add: v.optional(v.pipe(v.boolean(), v.description("one value more; in the place of all otherwise"))),
    user: User,
    timeoutMs: Timeout,
  }),
);
export const ConfigQuery = v.object({
  path: WholePath,
  key: v.optional(Key),
  scope: v.optional(Scope),
  user: User,
});
export const UnsetQuery = v.object({ path: WholePath, key: Key, scope: v.optional(Scope, "local"), user: User });

export const ConfigAnswer = v.object({
  settings: v.pipe(
    v.array(
      v.object({
        key: v.string(),
        value: v.pipe(v.string(), v.description("*** stands for a secret")),
        scope: v.picklist(["system", "global", "local", "worktree"]),
      }),
    ),
    v.description("in git's order: of several values the last one counts"),
  ),
});
