import * as v from "valibot";
import { Path, Place, Remote, Text, User } from "./git-words.ts";
import { noList } from "./json-object.ts";

const Url = v.pipe(Text, v.description("https, http, ssh, git or a directory; credentials in it are taken out"));
const PushUrl = v.optional(v.pipe(Text, v.description("where pushes go, if elsewhere")));

export const RemoteBody = noList(v.strictObject({ ...Place, name: Remote, url: Url, pushUrl: PushUrl }));
export const ChangedRemoteBody = noList(
  v.pipe(
    v.strictObject({
      ...Place,
      name: Remote,
      url: v.optional(Url),
      pushUrl: PushUrl,
      newName: v.optional(Remote),
    }),
    v.check(
      ({ url, pushUrl, newName }) => [url, pushUrl, newName].some((change) => change !== undefined),
      "must have url, pushUrl or newName",
    ),
  ),
);
export const RemoteQuery = v.object({ path: Path, name: Remote, user: User });

export const RemotesAnswer = v.object({
  remotes: v.array(
    v.object({
      name: v.string(),
      url: v.pipe(v.string(), v.description("*** stands for credentials that somebody has left in it")),
      pushUrls: v.pipe(v.array(v.string()), v.description("what is pushed to: url unless there are others")),
    }),
  ),
});
