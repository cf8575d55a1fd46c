import { DiffAnswer, RefsQuery as RepositoryQuery } from "../contracts/git.ts";
import * as contract from "../contracts/git-stash.ts";
import type { EdgeContext } from "../edge/request-context.ts";
import { type Route, route } from "../edge/route.ts";
import { parseJsonBody, parseQuery } from "../edge/validate.ts";
import type { ProgramClock } from "../lib/program-clock.ts";
import { asking, looking, native, operation, userOf, wantsText } from "./operations-rest.ts";
import { stashesText } from "./plain-text.ts";
import { answerCall } from "./progress-rest.ts";
import type { Stashes } from "./stashes.ts";

interface Deps {
  stashes: Stashes;
  clock: ProgramClock;
}

/** `/v1/git/stash`: changes that are put aside. */
export function gitStashRoutes(deps: Deps): Route[] {
  const { stashes } = deps;
  return [
    route("GET /v1/git/stash", native(LIST), (c) => list(c, stashes)),
    route("POST /v1/git/stash", native(PUSH), (c) => push(c, deps)),
    route("DELETE /v1/git/stash", native(DROP), (c) => drop(c, stashes)),
    route("GET /v1/git/stash/show", native(SHOW), (c) => show(c, stashes)),
    route("POST /v1/git/stash/apply", native(APPLY), (c) => bringBack(c, deps, "apply")),
    route("POST /v1/git/stash/pop", native(POP), (c) => bringBack(c, deps, "pop")),
  ];
}

const ALL = { description: "all stashes now", json: contract.StashesAnswer };
const LIST = looking("Stashes; Accept: text/plain for a person", RepositoryQuery, contract.StashesAnswer);
const PUSH = operation("Put changes aside", { body: contract.StashBody }, ALL);
const DROP = operation("Forget a stash", { query: contract.DropQuery }, ALL);
const SHOW = looking(
  "What was put aside, as figures and a patch; the patch alone with Accept: text/plain",
  contract.ShowStashQuery,
  DiffAnswer,
);
const APPLY = operation("Bring the changes of a stash back, and keep it", { body: contract.ApplyBody }, ALL);
const POP = operation("Bring the changes of a stash back, and forget it", { body: contract.ApplyBody }, ALL);

async function list(c: EdgeContext, stashes: Stashes): Promise<Response> {
  const { path, user } = parseQuery(c, RepositoryQuery);
  const found = await stashes.list({ path, ...asking(c, user) });
  return wantsText(c) ? c.text(stashesText(found)) : c.json({ stashes: found });
}

async function push(c: EdgeContext, { stashes, clock }: Deps): Promise<Response> {
  const { timeoutMs, user, untracked: hasUntracked, ...rest } = await parseJsonBody(c, contract.StashBody);
  return answerCall(c, { timeoutMs, clock }, async ({ signal }) => ({
    stashes: await stashes.push({ ...rest, hasUntracked, user: userOf(c, user), signal }),
  }));
}

async function drop(c: EdgeContext, stashes: Stashes): Promise<Response> {
  const { user, ...rest } = parseQuery(c, contract.DropQuery);
  return c.json({ stashes: await stashes.drop({ ...rest, ...asking(c, user) }) });
}

async function show(c: EdgeContext, stashes: Stashes): Promise<Response> {
  const { user, ...rest } = parseQuery(c, contract.ShowStashQuery);
  const changes = await stashes.show({ ...rest, ...asking(c, user) });
  return wantsText(c) ? c.text(changes.patch) : c.json(changes);
}

async function bringBack(c: EdgeContext, { stashes, clock }: Deps, how: "apply" | "pop"): Promise<Response> {
  const { timeoutMs, user, staged: restoresIndex, ...rest } = await parseJsonBody(c, contract.ApplyBody);
  return answerCall(c, { timeoutMs, clock }, async ({ signal }) => ({
    stashes: await stashes[how]({ ...rest, restoresIndex, user: userOf(c, user), signal }),
  }));
}
