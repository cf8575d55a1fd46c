import type { ConfigField } from "./config-field.ts";

/** What a template says of its image: what to start with the daemon, and how to know that it is ready. */
export interface TemplateConfigValues {
  startCommand: string | undefined;
  readyCommand: string | undefined;
  startRestart: "never" | "on-failure" | "always";
  startWorkdir: string | undefined;
  env: Readonly<Record<string, string>>;
  passEnv: readonly string[];
}

export const TEMPLATE_FIELDS: Readonly<Record<keyof TemplateConfigValues, ConfigField>> = {
  startCommand: {
    flag: "start-cmd",
    env: "GUESTD_START_CMD",
    kind: "text",
    unit: "command line",
    default: undefined,
    defaultText: "none",
    help: "command line to run when guestd starts, in a login shell of the default user; a run with the tag start-cmd",
  },
  readyCommand: {
    flag: "ready-cmd",
    env: "GUESTD_READY_CMD",
    kind: "text",
    unit: "command line",
    default: undefined,
    defaultText: "none: ready when the start command runs",
    help: "command line that succeeds once the sandbox is ready, tried until then and again after a restart; /health?ready=1 tells",
  },
  startRestart: {
    flag: "start-restart",
    env: "GUESTD_START_RESTART",
    kind: "choice",
    choices: ["never", "on-failure", "always"],
    default: "never",
    help: "when the start command is run again after its end, and what it has left behind was ended: never, on-failure or always; not after it was cancelled",
  },
  startWorkdir: {
    flag: "start-workdir",
    env: "GUESTD_START_WORKDIR",
    kind: "text",
    unit: "path",
    default: undefined,
    defaultText: "as --default-workdir",
    help: "where the start command and the ready command run; the image's WORKDIR says nothing to guestd",
  },
  env: {
    flag: "env",
    env: "GUESTD_ENV",
    kind: "variables",
    unit: "NAME=VALUE",
    default: {},
    defaultText: "none",
    help: "variable of every program, terminal and kernel; repeatable, one a line, or an object in the file; /init and requests win over it",
  },
  passEnv: {
    flag: "pass-env",
    env: "GUESTD_PASS_ENV",
    kind: "list",
    unit: "name",
    items: { match: /^(?!GUESTD_)[^=\s]+$/, says: "names of variables, with commas in between, none of them guestd's" },
    default: [],
    defaultText: "none: programs get nothing of what guestd was started with but its PATH",
    help: "variable of guestd's own environment (the image's ENV, docker run -e) that every program gets; repeatable, or separated by commas",
  },
};
