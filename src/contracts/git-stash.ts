import * as v from "valibot";
import { File, Place, Text, User, Path } from "./git-words.ts";
import { noList } from "./json-object.ts";
import { QueryNumber } from "./runs.ts";

/** Git takes a larger one for a date. */
const MAX_INDEX = 1_000_000;
const Index = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(MAX_INDEX), v.description("0 is the newest"));
const QueryIndex = v.pipe(QueryNumber, v.maxValue(MAX_INDEX), v.description("0 is the newest"));

export const StashBody = noList(
  v.strictObject({
    ...Place,
    message: v.optional(Text),
    untracked: v.optional(v.pipe(v.boolean(), v.description("files that git does not know yet too"))),
    files: v.optional(v.pipe(v.array(File), v.minLength(1), v.description("everything unless given"))),
  }),
);
export const ApplyBody = noList(
  v.strictObject({
    ...Place,
    index: v.optional(Index, 0),
    staged: v.optional(v.pipe(v.boolean(), v.description("what was in the index goes there again"))),
  }),
);
export const ShowStashQuery = v.object({ path: Path, index: v.optional(QueryIndex, "0"), user: User });
export const DropQuery = v.object({ path: Path, index: QueryIndex, user: User });

export const StashesAnswer = v.object({
  stashes: v.pipe(
    v.array(v.object({ index: v.number(), commit: v.string(), message: v.string(), date: v.string() })),
    v.description("the newest first"),
  ),
});
