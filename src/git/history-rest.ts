import * as contract from "../contracts/git.ts";
import type { EdgeContext } from "../edge/request-context.ts";
import { type Route, route } from "../edge/route.ts";
import { parseJsonBody, parseQuery } from "../edge/validate.ts";
import type { ProgramClock } from "../lib/program-clock.ts";
import type { History, RefKind } from "./history.ts";
import { asking, looking, native, operation, userOf, wantsText } from "./operations-rest.ts";
import { logText } from "./plain-text.ts";
import { answerCall } from "./progress-rest.ts";

interface Deps {
  history: History;
  clock: ProgramClock;
}

/** `/v1/git/*` about commits, branches and tags. */
export function gitHistoryRoutes(deps: Deps): Route[] {
  const { history } = deps;
  return [
    route("GET /v1/git/diff", native(DIFF), (c) => diff(c, history)),
    route("GET /v1/git/show", native(SHOW), (c) => show(c, history)),
    route("GET /v1/git/branches", native(LIST_BRANCHES), (c) => list(c, history, "heads")),
    route("POST /v1/git/branches", native(ADD_BRANCH), (c) => addBranch(c, deps)),
    route("DELETE /v1/git/branches", native(REMOVE_BRANCH), (c) => removeBranch(c, history)),
    route("GET /v1/git/tags", native(LIST_TAGS), (c) => list(c, history, "tags")),
    route("POST /v1/git/tags", native(ADD_TAG), (c) => addTag(c, deps)),
    route("DELETE /v1/git/tags", native(REMOVE_TAG), (c) => removeTag(c, history)),
  ];
}

const DIFF = looking(
  "What has changed, as figures and a patch; the patch alone with Accept: text/plain",
  contract.DiffQuery,
  contract.DiffAnswer,
);
const SHOW = looking("One commit with its changes", contract.ShowQuery, contract.ShowAnswer);
const REFS = { description: "all of them now", json: contract.RefsAnswer };
const LIST_BRANCHES = operation("Branches, of remotes too", { query: contract.RefsQuery }, REFS);
const ADD_BRANCH = operation("Make a branch", { body: contract.BranchBody }, REFS);
const REMOVE_BRANCH = operation("Remove a branch", { query: contract.BranchQuery }, REFS);
const LIST_TAGS = operation("Tags of a repository", { query: contract.RefsQuery }, REFS);
const ADD_TAG = operation("Make a tag", { body: contract.TagBody }, REFS);
const REMOVE_TAG = operation("Remove a tag", { query: contract.RefQuery }, REFS);

async function diff(c: EdgeContext, history: History): Promise<Response> {
  const { user, staged: isStaged, ...rest } = parseQuery(c, contract.DiffQuery);
  const changes = await history.diff({ ...rest, isStaged, ...asking(c, user) });
  return wantsText(c) ? c.text(changes.patch) : c.json(changes);
}

async function show(c: EdgeContext, history: History): Promise<Response> {
  const { user, ...rest } = parseQuery(c, contract.ShowQuery);
  const shown = await history.show({ ...rest, ...asking(c, user) });
  return wantsText(c) ? c.text(`${logText([shown.commit])}\n${shown.patch}`) : c.json(shown);
}

async function list(c: EdgeContext, history: History, kind: RefKind): Promise<Response> {
  const { path, user } = parseQuery(c, contract.RefsQuery);
  return c.json(await refs(history, { path, ...asking(c, user) }, kind));
}

async function addBranch(c: EdgeContext, deps: Deps): Promise<Response> {
  const { timeoutMs, user, ...rest } = await parseJsonBody(c, contract.BranchBody);
  return add(c, deps, { kind: "heads", timeoutMs, user, ...rest });
}

async function addTag(c: EdgeContext, deps: Deps): Promise<Response> {
  const { timeoutMs, user, ...rest } = await parseJsonBody(c, contract.TagBody);
  return add(c, deps, { kind: "tags", timeoutMs, user, ...rest });
}

async function add(
  c: EdgeContext,
  { history, clock }: Deps,
  { timeoutMs, user, ...wanted }: Omit<Parameters<History["addRef"]>[0], "signal"> & { timeoutMs: number | undefined },
): Promise<Response> {
  return answerCall(c, { timeoutMs, clock }, async ({ signal }) => {
    const where = { path: wanted.path, user: userOf(c, user), signal };
    await history.addRef({ ...wanted, ...where });
    return refs(history, where, wanted.kind);
  });
}

async function removeBranch(c: EdgeContext, history: History): Promise<Response> {
  const { path, name, force: isForced = false, user } = parseQuery(c, contract.BranchQuery);
  const where = { path, ...asking(c, user) };
  await history.removeRef({ ...where, kind: "heads", name, isForced });
  return c.json(await refs(history, where, "heads"));
}

async function removeTag(c: EdgeContext, history: History): Promise<Response> {
  const { path, name, user } = parseQuery(c, contract.RefQuery);
  const where = { path, ...asking(c, user) };
  await history.removeRef({ ...where, kind: "tags", name, isForced: false });
  return c.json(await refs(history, where, "tags"));
}

async function refs(
  history: History,
  where: { path: string; user: string | undefined; signal: AbortSignal },
  kind: RefKind,
): Promise<{ refs: object[] }> {
  const found = await history.refs({ ...where, kind });
  return {
    refs: found.map(({ isCurrent: current, isRemote: remote, name, commit, upstream, subject }) => ({
      name,
      commit,
      current,
      remote,
      upstream,
      subject,
    })),
  };
}
