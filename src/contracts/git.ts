import * as v from "valibot";
import { Author, Branch, File, Flag, Path, Place, Remote, Text, Timeout, User, Word } from "./git-words.ts";
import { noList } from "./json-object.ts";
import { QueryNumber, Switch } from "./runs.ts";

export const Credentials = v.pipe(
  v.strictObject({
    username: v.optional(v.string(), ""),
    password: v.pipe(v.string(), v.description("or a token")),
    host: v.optional(
      v.pipe(
        v.string(),
        v.regex(/^[^/\\?#@\s]+$/, "must be a host, or host:port"),
        v.description("the server that they are for; the call fails when its address is another's"),
      ),
    ),
  }),
  v.description("for the server of this address and this call only; they are kept nowhere"),
);

const AllowFile = v.optional(
  v.pipe(v.boolean(), v.description("the other repository may be a directory of this machine")),
);

export const CloneBody = noList(
  v.strictObject({
    url: v.pipe(Text, v.description("https, http, ssh or git; credentials in it are taken out")),
    path: v.optional(Path),
    branch: v.optional(Branch),
    depth: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.description("commits of history"))),
    filter: v.optional(v.pipe(Word, v.description("leave out what is not needed yet, such as blob:none"))),
    sparse: v.optional(v.pipe(v.array(Word), v.description("only these directories"))),
    recurse: v.optional(v.pipe(v.boolean(), v.description("submodules too"))),
    allowFile: AllowFile,
    credentials: v.optional(Credentials),
    user: User,
    timeoutMs: Timeout,
  }),
);

export const InitBody = noList(
  v.strictObject({
    path: Path,
    branch: v.optional(Branch),
    bare: v.optional(v.boolean(), false),
    user: User,
    timeoutMs: Timeout,
  }),
);

const Server = {
  ...Place,
  allowFile: AllowFile,
  remote: v.optional(v.pipe(Remote, v.description("name of a remote; origin"))),
  credentials: v.optional(Credentials),
};
export const FetchBody = noList(
  v.strictObject({
    ...Server,
    ref: v.optional(v.pipe(Branch, v.description("a branch or tag; all branches unless given"))),
    depth: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1))),
    prune: v.optional(v.pipe(v.boolean(), v.description("forget branches that are gone there"))),
    tags: Flag,
  }),
);
export const PullBody = noList(
  v.strictObject({
    ...Server,
    branch: v.optional(v.pipe(Branch, v.description("of the remote; its upstream, or the same name"))),
    strategy: v.optional(
      v.pipe(
        v.picklist(["ff-only", "merge", "rebase"]),
        v.description("when both sides have new commits: refuse, merge, or put ours on top"),
      ),
      "ff-only",
    ),
    author: Author,
  }),
);
export const PushBody = noList(
  v.strictObject({
    ...Server,
    branch: v.optional(v.pipe(Branch, v.description("what is checked out unless given"))),
    force: v.optional(v.pipe(v.boolean(), v.description("replace what is there if it is what was fetched last"))),
    setUpstream: Flag,
    tags: Flag,
  }),
);
export const AddBody = noList(
  v.strictObject({
    ...Place,
    files: v.optional(v.pipe(v.array(File), v.minLength(1), v.description("everything unless given"))),
  }),
);
export const CommitBody = noList(
  v.strictObject({
    ...Place,
    message: Text,
    author: Author,
    all: v.optional(v.pipe(v.boolean(), v.description("everything that git knows and that has changed"))),
    amend: Flag,
    allowEmpty: Flag,
  }),
);
export const CheckoutBody = noList(
  v.strictObject({
    ...Place,
    ref: v.pipe(Word, v.description("a branch, tag or commit; of a new branch: its name")),
    create: v.optional(v.pipe(v.boolean(), v.description("make the branch"))),
    start: v.optional(v.pipe(Word, v.description("where a new branch begins"))),
  }),
);

export const ResetBody = noList(
  v.strictObject({
    ...Place,
    ref: v.optional(Word),
    mode: v.optional(
      v.pipe(
        v.picklist(["soft", "mixed", "hard", "merge", "keep"]),
        v.description("as of git reset; hard drops changes"),
      ),
      "mixed",
    ),
  }),
);
export const RestoreBody = noList(
  v.strictObject({
    ...Place,
    files: v.pipe(v.array(File), v.minLength(1)),
    staged: v.optional(v.pipe(v.boolean(), v.description("the index instead of the files"))),
    source: v.optional(v.pipe(Word, v.description("a commit; the index unless given"))),
  }),
);
export const BranchBody = noList(v.strictObject({ ...Place, name: Branch, start: v.optional(Word) }));
export const TagBody = noList(
  v.strictObject({
    ...Place,
    name: Branch,
    start: v.optional(Word),
    message: v.optional(v.pipe(Text, v.description("makes it an object of its own"))),
    author: Author,
  }),
);
export const RefsQuery = v.object({ path: Path, user: User });
export const RefQuery = v.object({ path: Path, name: Branch, user: User });
export const BranchQuery = v.object({
  ...RefQuery.entries,
  force: v.optional(v.pipe(Switch, v.description("also when it is not merged"))),
});
export const DiffQuery = v.object({
  path: Path,
  staged: v.optional(v.pipe(Switch, v.description("the index against the last commit"))),
  from: v.optional(v.pipe(Word, v.description("a commit to compare with"))),
  to: v.optional(Word),
  file: v.optional(File),
  user: User,
});
export const ShowQuery = v.object({ path: Path, ref: v.optional(Word, "HEAD"), user: User });

export const StatusQuery = v.object({
  path: Path,
  ignored: v.optional(v.pipe(Switch, v.description("ignored files too"))),
  user: User,
});

export const LogQuery = v.object({
  path: Path,
  ref: v.optional(v.pipe(Word, v.description("branch, tag, commit or range"))),
  file: v.optional(v.pipe(File, v.description("only commits that have changed it"))),
  limit: v.optional(v.pipe(QueryNumber, v.minValue(1), v.maxValue(10_000)), "100"),
  skip: v.optional(QueryNumber, "0"),
  user: User,
});

const Head = {
  branch: v.pipe(v.nullable(v.string()), v.description("null when detached")),
  commit: v.pipe(v.nullable(v.string()), v.description("null before the first commit")),
  upstream: v.nullable(v.string()),
  ahead: v.nullable(v.number()),
  behind: v.nullable(v.number()),
};
const Letter = v.picklist([".", "M", "T", "A", "D", "R", "C", "U", "?", "!"]);

export const HeadAnswer = v.object(Head);

const eventOf = (result: v.ObjectEntries) =>
  v.union([
    v.object({
      type: v.literal("progress"),
      stage: v.pipe(v.string(), v.description("receiving objects, remote: counting objects …")),
      percent: v.number(),
      done: v.number(),
      total: v.number(),
    }),
    v.object({ type: v.literal("keepalive") }),
    v.object({ type: v.literal("result"), ...result }),
    v.pipe(
      v.looseObject({ type: v.literal("error"), status: v.number(), code: v.string(), detail: v.string() }),
      v.description("of a call that fails after it has told of progress; else the failure is the answer"),
    ),
  ]);
export const HeadEvent = eventOf(Head);
export const Cloned = v.object({
  path: v.string(),
  url: v.pipe(v.string(), v.description("without credentials")),
  ...Head,
});
export const CloneEvent = eventOf(Cloned.entries);
export const Initialized = v.object({ path: v.string() });
export const StatusAnswer = v.object({
  ...Head,
  clean: v.boolean(),
  files: v.array(
    v.object({
      path: v.string(),
      index: v.pipe(Letter, v.description("of the index against the last commit; . is unchanged")),
      worktree: v.pipe(Letter, v.description("of the files against the index")),
      unmerged: v.boolean(),
      from: v.optional(v.pipe(v.string(), v.description("what a renamed or copied file was"))),
    }),
  ),
});

const Signature = v.object({ name: v.string(), email: v.string(), date: v.string() });
const Commit = v.object({
  commit: v.string(),
  parents: v.array(v.string()),
  author: Signature,
  committer: Signature,
  subject: v.string(),
  body: v.string(),
  refs: v.array(v.string()),
});
export const LogAnswer = v.object({ commits: v.array(Commit) });

const Changes = {
  files: v.array(
    v.object({
      path: v.string(),
      from: v.optional(v.pipe(v.string(), v.description("what a renamed file was"))),
      added: v.pipe(v.nullable(v.number()), v.description("lines; null for what is no text")),
      deleted: v.nullable(v.number()),
    }),
  ),
  patch: v.string(),
};
export const DiffAnswer = v.object(Changes);
export const ShowAnswer = v.object({ commit: Commit, ...Changes });
export const RefsAnswer = v.object({
  refs: v.array(
    v.object({
      name: v.string(),
      commit: v.string(),
      current: v.boolean(),
      remote: v.boolean(),
      upstream: v.nullable(v.string()),
      subject: v.string(),
    }),
  ),
});
