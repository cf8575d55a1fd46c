import * as contract from "../contracts/git-config.ts";
import type { EdgeContext } from "../edge/request-context.ts";
import { type Route, route } from "../edge/route.ts";
import { parseJsonBody, parseQuery } from "../edge/validate.ts";
import type { ProgramClock } from "../lib/program-clock.ts";
import type { Configuration } from "./configuration.ts";
import { withoutSecrets } from "./credentials.ts";
import { asking, looking, native, operation, userOf, wantsText } from "./operations-rest.ts";
import { answerCall } from "./progress-rest.ts";
import type { Setting } from "./read-settings.ts";

interface Deps {
  configuration: Configuration;
  clock: ProgramClock;
}

/** `/v1/git/config`: git's own settings. */
export function gitConfigurationRoutes(deps: Deps): Route[] {
  const { configuration } = deps;
  return [
    route("GET /v1/git/config", native(LIST), (c) => list(c, configuration)),
    route("POST /v1/git/config", native(SET), (c) => set(c, deps)),
    route("DELETE /v1/git/config", native(UNSET), (c) => unset(c, configuration)),
  ];
}

const ALL = { description: "all values that the key has now", json: contract.ConfigAnswer };
const LIST = looking(
  "Git's settings, or those of one key; its value alone with Accept: text/plain",
  contract.ConfigQuery,
  contract.ConfigAnswer,
);
const SET = operation(
  "Set one of git's settings; neither what makes git run programs, nor a password",
  { body: contract.ConfigBody },
  ALL,
);
const UNSET = operation("Take a setting away", { query: contract.UnsetQuery }, ALL);

async function list(c: EdgeContext, configuration: Configuration): Promise<Response> {
  const { user, ...rest } = parseQuery(c, contract.ConfigQuery);
  const settings = shown(await configuration.list({ ...rest, ...asking(c, user) }));
  if (!wantsText(c)) return c.json({ settings });
  if (rest.key !== undefined) return c.text(`${settings.at(-1)?.value}\n`);
  return c.text(settings.map(({ key, value }) => `${key}=${value}\n`).join(""));
}

async function set(c: EdgeContext, { configuration, clock }: Deps): Promise<Response> {
  const { timeoutMs, user, add: isAdded, ...rest } = await parseJsonBody(c, contract.ConfigBody);
  return answerCall(c, { timeoutMs, clock }, async ({ signal }) => ({
    settings: shown(await configuration.set({ ...rest, isAdded, user: userOf(c, user), signal })),
  }));
}

async function unset(c: EdgeContext, configuration: Configuration): Promise<Response> {
  const { user, ...rest } = parseQuery(c, contract.UnsetQuery);
  return c.json({ settings: shown(await configuration.unset({ ...rest, ...asking(c, user) })) });
}

function shown(settings: readonly Setting[]): Setting[] {
  return settings.map((setting) => ({ ...setting, ...withoutSecrets(setting) }));
}
