import type { Address } from "./address.ts";

/** What a call of git may do beyond its arguments. */
export interface GitRights {
  hasCredentials: boolean;
  /** Hooks are off for clones, whose hooks nobody has chosen, and where a hook could ask for the credentials. */
  runsHooks: boolean;
  allowsFile: boolean;
}

/** Variables of git that the user's programs have in common and git may have too; all others could lead it astray. */
const KEPT = /^GIT_(?:AUTHOR|COMMITTER|SSL)_|^GIT_SSH(?:_COMMAND|_VARIANT)?$/;
/** Programs that would ask somebody at a screen. */
const ASKING = new Set(["SSH_ASKPASS", "SSH_ASKPASS_REQUIRE", "DISPLAY", "WAYLAND_DISPLAY"]);

const PROTOCOLS: readonly Address["protocol"][] = ["https", "http", "ssh", "git"];

/**
 * The environment that git runs in, from that of the user's programs: English for us to read, nobody to ask, and no protocol but
 * those allowed, also for submodules and after redirects.
 */
export function gitEnvironment(programs: Readonly<Record<string, string>>, rights: GitRights): Record<string, string> {
  const kept = Object.entries(programs).filter(
    ([name]) => !ASKING.has(name) && (!name.startsWith("GIT_") || KEPT.test(name)),
  );
  return {
    ...Object.fromEntries(kept),
    LC_ALL: "C",
    LANG: "C",
    LANGUAGE: "",
    GIT_TERMINAL_PROMPT: "0",
    GIT_PAGER: "cat",
    GIT_EDITOR: ":",
    GIT_OPTIONAL_LOCKS: "0",
    GIT_ALLOW_PROTOCOL: [...PROTOCOLS, ...(rights.allowsFile ? ["file"] : [])].join(":"),
  };
}

/** Settings that go before git's command. They count for this call, with all that git starts, and are written nowhere. */
export function gitOptions({ hasCredentials, runsHooks }: GitRights): string[] {
  const settings = [
    // Nothing is left behind in the background, with our pipes and beyond the call's end.
    "gc.autoDetach=false",
    "maintenance.autoDetach=false",
    // Nobody commits under a name that git has made up of the account's and the machine's, which it can do on some machines only.
    "user.useConfigOnly=true",
    ...(runsHooks ? [] : ["core.hooksPath=/dev/null"]),
    // The question names the server alone: an answer is for no more and no less.
    ...(hasCredentials ? ["credential.useHttpPath=false"] : []),
    // The secret is for this call: no helper of the user's keeps it, and nothing in the background goes on with our askpass.
    ...(hasCredentials
      ? [
          "credential.helper=",
          "gc.auto=0",
          "maintenance.auto=false",
          "core.fsmonitor=false",
          "core.alternateRefsCommand=exit;",
        ]
      : []),
  ];
  return settings.flatMap((setting) => ["-c", setting]);
}
