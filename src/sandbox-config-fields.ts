import type { ConfigField } from "./config-field.ts";

/** Which sandbox this is, and what a platform that starts it may change of the machine. */
export interface SandboxConfigValues {
  sandboxId: string | undefined;
  templateId: string | undefined;
  teamId: string | undefined;
  identityDir: string | undefined;
  metadataUrl: string | undefined;
  setsClock: boolean;
}

/** An id is a line of a file and a variable of every program. */
const ID_FORM = { match: /^[^\p{Cc}]{1,256}$/u, says: "one line of at most 256 characters" };

export const SANDBOX_FIELDS: Readonly<Record<keyof SandboxConfigValues, ConfigField>> = {
  sandboxId: {
    flag: "sandbox-id",
    env: "E2B_SANDBOX_ID",
    kind: "text",
    unit: "id",
    form: ID_FORM,
    default: undefined,
    defaultText: "none",
    help: "E2B_SANDBOX_ID of every program and kernel",
  },
  templateId: {
    flag: "template-id",
    env: "E2B_TEMPLATE_ID",
    kind: "text",
    unit: "id",
    form: ID_FORM,
    default: undefined,
    defaultText: "none",
    help: "E2B_TEMPLATE_ID of every program and kernel",
  },
  teamId: {
    flag: "team-id",
    env: "E2B_TEAM_ID",
    kind: "text",
    unit: "id",
    form: ID_FORM,
    default: undefined,
    defaultText: "none",
    help: "E2B_TEAM_ID of every program and kernel",
  },
  identityDir: {
    flag: "identity-dir",
    env: "GUESTD_IDENTITY_DIR",
    kind: "text",
    unit: "path",
    default: undefined,
    defaultText: "none; /run/e2b in our images",
    help: "folder for the files .E2B_SANDBOX, .E2B_SANDBOX_ID, .E2B_TEMPLATE_ID and .E2B_TEAM_ID; they are removed at exit",
  },
  metadataUrl: {
    flag: "metadata-url",
    env: "GUESTD_METADATA_URL",
    kind: "text",
    unit: "URL",
    form: { match: /^http:\/\/[^/?#\s]+\/?$/, says: "http:// and a host" },
    default: undefined,
    defaultText: "none: nobody is asked",
    help: "metadata service of a micro VM, as http://169.254.169.254: asked for the ids after /init, and whose hash the first token must have",
  },
  setsClock: {
    flag: "set-clock",
    env: "GUESTD_SET_CLOCK",
    kind: "flag",
    default: false,
    help: "set the machine's clock by the timestamp of /init when it is more than 50 ms behind or 5 s ahead; for micro VMs, a container has its host's clock",
  },
};
