import { RefsQuery as RepositoryQuery } from "../contracts/git.ts";
import * as contract from "../contracts/git-remotes.ts";
import type { EdgeContext } from "../edge/request-context.ts";
import { type Route, route } from "../edge/route.ts";
import { parseJsonBody, parseQuery } from "../edge/validate.ts";
import type { ProgramClock } from "../lib/program-clock.ts";
import { withoutLogin } from "./credentials.ts";
import { asking, looking, native, operation, userOf, wantsText } from "./operations-rest.ts";
import { remotesText } from "./plain-text.ts";
import { answerCall } from "./progress-rest.ts";
import type { Remote, Remotes } from "./remotes.ts";

interface Deps {
  remotes: Remotes;
  clock: ProgramClock;
}

/** `/v1/git/remotes`: the servers that a repository knows. No answer has credentials, whoever has left them in an address. */
export function gitRemotesRoutes(deps: Deps): Route[] {
  const { remotes } = deps;
  return [
    route("GET /v1/git/remotes", native(LIST), (c) => list(c, remotes)),
    route("POST /v1/git/remotes", native(ADD), (c) => add(c, deps)),
    route("PATCH /v1/git/remotes", native(CHANGE), (c) => change(c, deps)),
    route("DELETE /v1/git/remotes", native(REMOVE), (c) => remove(c, remotes)),
  ];
}

const ALL = { description: "all remotes now", json: contract.RemotesAnswer };
const LIST = looking("Remotes; Accept: text/plain for a person", RepositoryQuery, contract.RemotesAnswer);
const ADD = operation("Add a remote", { body: contract.RemoteBody }, ALL);
const CHANGE = operation("Change a remote's address or name", { body: contract.ChangedRemoteBody }, ALL);
const REMOVE = operation("Forget a remote and its branches", { query: contract.RemoteQuery }, ALL);

async function list(c: EdgeContext, remotes: Remotes): Promise<Response> {
  const { path, user } = parseQuery(c, RepositoryQuery);
  const found = shown(await remotes.list({ path, ...asking(c, user) }));
  return wantsText(c) ? c.text(remotesText(found)) : c.json({ remotes: found });
}

async function add(c: EdgeContext, { remotes, clock }: Deps): Promise<Response> {
  const { timeoutMs, user, ...rest } = await parseJsonBody(c, contract.RemoteBody);
  return answerCall(c, { timeoutMs, clock }, async ({ signal }) => ({
    remotes: shown(await remotes.add({ ...rest, user: userOf(c, user), signal })),
  }));
}

async function change(c: EdgeContext, { remotes, clock }: Deps): Promise<Response> {
  const { timeoutMs, user, ...rest } = await parseJsonBody(c, contract.ChangedRemoteBody);
  return answerCall(c, { timeoutMs, clock }, async ({ signal }) => ({
    remotes: shown(await remotes.change({ ...rest, user: userOf(c, user), signal })),
  }));
}

async function remove(c: EdgeContext, remotes: Remotes): Promise<Response> {
  const { path, name, user } = parseQuery(c, contract.RemoteQuery);
  return c.json({ remotes: shown(await remotes.remove({ path, name, ...asking(c, user) })) });
}

function shown(remotes: readonly Remote[]): Remote[] {
  return remotes.map(({ name, url, pushUrls }) => ({
    name,
    url: withoutLogin(url),
    pushUrls: pushUrls.map(withoutLogin),
  }));
}
