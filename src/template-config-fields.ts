import type { ConfigField } from "./config-field.ts";

/** What a template says of its image: what to start with the daemon, and how to know that it is ready. */
export interface TemplateConfigValues {
  startCommand: string | undefined;
  readyCommand: string | undefined;
  startRestart: "never" | "on-failure" | "always";
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
};
