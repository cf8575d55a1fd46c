import * as v from "valibot";
import { mustBe } from "./shown-value.ts";

/** Query of `GET` and `POST /files`. */
export const FilesQuery = v.object({
  path: v.optional(v.pipe(v.string(), v.description("absolute, or relative to the user's home"))),
  username: v.optional(v.pipe(v.string(), v.description("the default user unless given"))),
  signature: v.optional(v.string()),
  signature_expiration: v.optional(
    v.pipe(v.string(), v.regex(/^-?\d{1,15}$/, mustBe("an integer")), v.description("unix seconds")),
  ),
});
export type FilesQuery = v.InferOutput<typeof FilesQuery>;

/** Answer of `POST /files`: what was written, in the order of the request. */
export const UploadAnswer = v.array(
  v.object({
    name: v.string(),
    path: v.string(),
    type: v.literal("file"),
    metadata: v.optional(v.record(v.string(), v.string())),
  }),
);
export type UploadAnswer = v.InferOutput<typeof UploadAnswer>;
