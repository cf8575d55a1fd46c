import * as contract from "../contracts/git.ts";
import type { EdgeContext } from "../edge/request-context.ts";
import { type Route, route } from "../edge/route.ts";
import { parseJsonBody } from "../edge/validate.ts";
import type { ProgramClock } from "../lib/program-clock.ts";
import { native, operation, userOf } from "./operations-rest.ts";
import { answerCall } from "./progress-rest.ts";
import type { Servers } from "./servers.ts";
import type { WorkTree } from "./work-tree.ts";

interface Deps {
  servers: Servers;
  workTree: WorkTree;
  clock: ProgramClock;
}

/** `/v1/git/*` that changes a repository, or what a server has of it. Each answers with where the repository stands then. */
export function gitChangesRoutes(deps: Deps): Route[] {
  return [
    route("POST /v1/git/fetch", native(FETCH), (c) => fetchFrom(c, deps)),
    route("POST /v1/git/pull", native(PULL), (c) => pull(c, deps)),
    route("POST /v1/git/push", native(PUSH), (c) => push(c, deps)),
    route("POST /v1/git/add", native(ADD), (c) => add(c, deps)),
    route("POST /v1/git/commit", native(COMMIT), (c) => commit(c, deps)),
    route("POST /v1/git/checkout", native(CHECKOUT), (c) => checkout(c, deps)),
    route("POST /v1/git/reset", native(RESET), (c) => reset(c, deps)),
    route("POST /v1/git/restore", native(RESTORE), (c) => restore(c, deps)),
  ];
}

const HEAD = { description: "done; where the repository stands now", json: contract.HeadAnswer };
const FETCH = operation("Fetch from a remote", { body: contract.FetchBody }, { ...HEAD, events: contract.HeadEvent });
const PULL = operation(
  "Fetch, then bring what is checked out up to date",
  { body: contract.PullBody },
  { ...HEAD, events: contract.HeadEvent },
);
const PUSH = operation(
  "Send commits to a remote",
  { body: contract.PushBody },
  { ...HEAD, events: contract.HeadEvent },
);
const ADD = operation("Take changed files into the index", { body: contract.AddBody }, HEAD);
const COMMIT = operation("Commit what is in the index", { body: contract.CommitBody }, HEAD);
const CHECKOUT = operation(
  "Check out a branch, tag or commit; create makes the branch",
  { body: contract.CheckoutBody },
  HEAD,
);

const RESET = operation("Move the branch, and index and files as mode says", { body: contract.ResetBody }, HEAD);
const RESTORE = operation("Put files, or what the index has of them, back", { body: contract.RestoreBody }, HEAD);

async function fetchFrom(c: EdgeContext, { servers, clock }: Deps): Promise<Response> {
  const body = await parseJsonBody(c, contract.FetchBody);
  const { timeoutMs, user, allowFile: allowsFile, prune: isPruning, tags: hasTags, ...rest } = body;
  return answerCall(c, { timeoutMs, clock }, (options) =>
    servers.fetch({ ...rest, allowsFile, isPruning, hasTags, user: userOf(c, user), ...options }),
  );
}

async function pull(c: EdgeContext, { servers, clock }: Deps): Promise<Response> {
  const { timeoutMs, user, allowFile: allowsFile, ...rest } = await parseJsonBody(c, contract.PullBody);
  return answerCall(c, { timeoutMs, clock }, (options) =>
    servers.pull({ ...rest, allowsFile, user: userOf(c, user), ...options }),
  );
}

async function push(c: EdgeContext, { servers, clock }: Deps): Promise<Response> {
  const body = await parseJsonBody(c, contract.PushBody);
  const {
    timeoutMs,
    user,
    allowFile: allowsFile,
    force: isForced,
    setUpstream: setsUpstream,
    tags: hasTags,
    ...rest
  } = body;
  return answerCall(c, { timeoutMs, clock }, (options) =>
    servers.push({ ...rest, allowsFile, isForced, setsUpstream, hasTags, user: userOf(c, user), ...options }),
  );
}

async function add(c: EdgeContext, { workTree, clock }: Deps): Promise<Response> {
  const { timeoutMs, user, ...rest } = await parseJsonBody(c, contract.AddBody);
  return answerCall(c, { timeoutMs, clock }, ({ signal }) => workTree.add({ ...rest, user: userOf(c, user), signal }));
}

async function commit(c: EdgeContext, { workTree, clock }: Deps): Promise<Response> {
  const body = await parseJsonBody(c, contract.CommitBody);
  const { timeoutMs, user, all: isAll, amend: isAmending, allowEmpty: mayBeEmpty, ...rest } = body;
  return answerCall(c, { timeoutMs, clock }, ({ signal }) =>
    workTree.commit({ ...rest, isAll, isAmending, mayBeEmpty, user: userOf(c, user), signal }),
  );
}

async function checkout(c: EdgeContext, { workTree, clock }: Deps): Promise<Response> {
  const { timeoutMs, user, create: isNew, ...rest } = await parseJsonBody(c, contract.CheckoutBody);
  return answerCall(c, { timeoutMs, clock }, ({ signal }) =>
    workTree.checkout({ ...rest, isNew, user: userOf(c, user), signal }),
  );
}

async function reset(c: EdgeContext, { workTree, clock }: Deps): Promise<Response> {
  const { timeoutMs, user, ...rest } = await parseJsonBody(c, contract.ResetBody);
  return answerCall(c, { timeoutMs, clock }, ({ signal }) =>
    workTree.reset({ ...rest, user: userOf(c, user), signal }),
  );
}

async function restore(c: EdgeContext, { workTree, clock }: Deps): Promise<Response> {
  const { timeoutMs, user, staged: isStaged, ...rest } = await parseJsonBody(c, contract.RestoreBody);
  return answerCall(c, { timeoutMs, clock }, ({ signal }) =>
    workTree.restore({ ...rest, isStaged, user: userOf(c, user), signal }),
  );
}
