import * as contract from "../contracts/git.ts";
import type { EdgeContext } from "../edge/request-context.ts";
import { type Route, route } from "../edge/route.ts";
import { parseJsonBody, parseQuery } from "../edge/validate.ts";
import type { ProgramClock } from "../lib/program-clock.ts";
import { asking, looking, native, operation, userOf, wantsText } from "./operations-rest.ts";
import { logText, statusText } from "./plain-text.ts";
import { answerCall } from "./progress-rest.ts";
import type { Repositories } from "./repositories.ts";

interface Deps {
  repositories: Repositories;
  clock: ProgramClock;
}

/** `/v1/git/*`: repositories. */
export function gitRoutes(deps: Deps): Route[] {
  const { repositories } = deps;
  return [
    route("POST /v1/git/clone", native(CLONE), (c) => clone(c, deps)),
    route("POST /v1/git/init", native(INIT), (c) => init(c, deps)),
    route("GET /v1/git/status", native(STATUS), (c) => status(c, repositories)),
    route("GET /v1/git/log", native(LOG), (c) => log(c, repositories)),
  ];
}

const CLONE = operation(
  "Clone a repository; progress as events with Accept: application/x-ndjson",
  { body: contract.CloneBody },
  { description: "cloned", json: contract.Cloned, events: contract.CloneEvent },
);
const INIT = operation(
  "Make an empty repository",
  { body: contract.InitBody },
  { description: "made", json: contract.Initialized },
);
const STATUS = looking(
  "What has changed; Accept: text/plain for a person",
  contract.StatusQuery,
  contract.StatusAnswer,
);
const LOG = looking("Commits, newest first; Accept: text/plain for a person", contract.LogQuery, contract.LogAnswer);

async function clone(c: EdgeContext, { repositories, clock }: Deps): Promise<Response> {
  const {
    timeoutMs,
    recurse: isRecursive,
    allowFile: allowsFile,
    user,
    ...rest
  } = await parseJsonBody(c, contract.CloneBody);
  return answerCall(c, { timeoutMs, clock }, (options) =>
    repositories.clone({ ...rest, isRecursive, allowsFile, user: userOf(c, user), ...options }),
  );
}

async function init(c: EdgeContext, { repositories, clock }: Deps): Promise<Response> {
  const { timeoutMs, bare: isBare, user, ...rest } = await parseJsonBody(c, contract.InitBody);
  return answerCall(c, { timeoutMs, clock }, ({ signal }) =>
    repositories.init({ ...rest, isBare, user: userOf(c, user), signal }),
  );
}

async function status(c: EdgeContext, repositories: Repositories): Promise<Response> {
  const { path, ignored: hasIgnored = false, user } = parseQuery(c, contract.StatusQuery);
  const { files, ...head } = await repositories.status({ path, hasIgnored, ...asking(c, user) });
  if (wantsText(c)) return c.text(statusText({ ...head, files }));
  return c.json({
    ...head,
    clean: files.every(({ index }) => index === "!"),
    files: files.map(({ isUnmerged: unmerged, ...file }) => ({ ...file, unmerged })),
  });
}

async function log(c: EdgeContext, repositories: Repositories): Promise<Response> {
  const { limit: maxCount, user, ...rest } = parseQuery(c, contract.LogQuery);
  const commits = await repositories.log({ ...rest, maxCount, ...asking(c, user) });
  return wantsText(c) ? c.text(logText(commits)) : c.json({ commits });
}
