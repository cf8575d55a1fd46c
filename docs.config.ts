// `npm run docs`: writes the pages that say what the sources say: docs/configuration.md and docs/errors.md.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { CONFIG_FILE } from "./src/config-file.ts";
import type { ConfigField } from "./src/config-field.ts";
import { CONFIG_FIELDS } from "./src/config-fields.ts";
import { connectStatus, httpStatus } from "./src/edge/errors.ts";
import { CODE_WORDS, REASON_WORDS } from "./src/error-words.ts";
import { type ErrorCode, type ErrorReason, SandboxError } from "./src/errors.ts";
import { KERNEL_FIELDS } from "./src/kernel-config-fields.ts";
import { NETWORK_NAMES } from "./src/network-env.ts";
import { SANDBOX_FIELDS } from "./src/sandbox-config-fields.ts";
import { TEMPLATE_FIELDS } from "./src/template-config-fields.ts";

/** Generated pages by the path of their file. */
export const PAGES: Readonly<Record<string, () => string>> = {
  "docs/configuration.md": configurationPage,
  "docs/errors.md": errorsPage,
};

const GENERATED = "<!-- Written by npm run docs from the sources; edit those. -->";

function line(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [line(head), `|${" --- |".repeat(head.length)}`, ...rows.map(line)].join("\n");
}

function valuesOf({ kind, unit, min, max, choices, items, allowsOff }: ConfigField): string {
  switch (kind) {
    case "flag":
      return "`true`, `false`";
    case "choice":
      return (choices ?? []).map((choice) => `\`${choice}\``).join(", ");
    case "integer":
      return `${unit ?? "number"}, ${min ?? 0} to ${max ?? "any"}`;
    case "port":
      return `0 to 65535${allowsOff ? ", or `off`" : ""}`;
    case "list":
      return items ? `list of ${items.says}` : `list of ${unit ?? "text"}`;
    case "variables":
      return "variables, `NAME=VALUE`";
    case "text":
      return unit ?? "text";
  }
}

function settings(fields: readonly ConfigField[]): string {
  const rows = fields.map((field) => [
    `\`--${field.flag}\`<br>\`${field.env}\``,
    valuesOf(field),
    field.defaultText ?? `\`${JSON.stringify(field.default).replaceAll('"', "")}\``,
    field.help,
  ]);
  return table(["setting", "values", "default", "what it does"], rows);
}

function configurationPage(): string {
  const special = new Set([KERNEL_FIELDS, SANDBOX_FIELDS, TEMPLATE_FIELDS].flatMap((fields) => Object.keys(fields)));
  const general = Object.entries(CONFIG_FIELDS).flatMap(([name, field]) => (special.has(name) ? [] : [field]));
  return `${GENERATED}

# Configuration

Every setting is a flag, an environment variable and a member of a file. A flag wins over its variable, and that over the file. A value that cannot be is an error
at the start, with status 2: guestd does not start with something else than what was said. \`guestd --help\` has the same list. In a checkout \`npm start --\` stands for
\`guestd\`: \`npm start -- --port 8080\`.

\`\`\`sh
guestd --port 8080                        # a flag
GUESTD_PORT=8080 guestd                   # its variable
echo '{"port": 8080}' > ${CONFIG_FILE}  # the file, by the names of the flags
\`\`\`

The file is \`${CONFIG_FILE}\`, or the one that \`GUESTD_CONFIG\` names, which then has to be there; a name in it that is no setting is an error too. An empty variable
stands for the default: it takes back what the file says. What is true or false is a flag without a value, with \`no-\` in front of its name for false
(\`--no-forward-ports\`); in a variable or the file \`1\`, \`yes\`, \`on\` (\`0\`, \`no\`, \`off\`) are understood as well. Lists are repeated flags, or one value with commas.

## The token

It has no flag, since everybody on a machine can read command lines.

${table(
  ["variable", "what it is"],
  [
    [
      "`GUESTD_TOKEN`",
      "the token itself; gone from the environment, and from what `/proc` shows of it, once guestd has started",
    ],
    ["`GUESTD_TOKEN_FILE`", "a file that holds it; an empty one is an error"],
  ],
)}

With a token every request needs it, as \`X-Access-Token: …\` or \`Authorization: Bearer …\`, but for \`/health\`, \`/init\` and the page \`/docs\`, for signed URLs of \`/files\`,
and for \`/contexts\` unless \`--strict-interpreter\` is set. Without one guestd listens on loopback only, or waits for the first \`/init\`, which decides whether there is one.

## The daemon

${settings(general)}

## Which sandbox this is

\`E2B_SANDBOX\` is \`true\` in every program and kernel.

${settings(Object.values(SANDBOX_FIELDS))}

## What an image starts

${settings(Object.values(TEMPLATE_FIELDS))}

## Code contexts

${settings(Object.values(KERNEL_FIELDS))}

## What programs get

Programs do not inherit the environment of guestd, but for its \`PATH\`. Code contexts also get what says how this machine reaches the network: ${NETWORK_NAMES.filter(
    (name) => name === name.toUpperCase(),
  )
    .map((name) => `\`${name}\``)
    .join(", ")} (those of proxies also in lower case).
`;
}

/** How an error looks, by who asks. */
const ERROR_FORMS = [
  [
    "`/v1/…`",
    "[RFC 9457](https://www.rfc-editor.org/rfc/rfc9457) problem details",
    '`{"type":"about:blank","title":"Not found","status":404,"detail":"no run with id \\"x\\"","instance":"/v1/runs/x","code":"not_found","reason":"run_not_found"}`',
  ],
  [
    "`/files`, `/metrics`, `/envs`, …",
    "status and message; for an account that does not exist the code is a name",
    '`{"code":404,"message":"…"}`',
  ],
  ["`/init`, `/health`", "the message as text", "`access token validation failed`"],
  [
    "`/process.Process/…`, `/filesystem.Filesystem/…`",
    "an error of the Connect protocol, in a stream its last frame",
    '`{"code":"not_found","message":"…"}`',
  ],
  [
    "`/execute`, `/contexts`",
    'the message as text; a missing token as that of `/files`, a body that cannot be as its faults: `{"detail":[…]}` with status 422',
    "`Context x not found`",
  ],
];

function errorsPage(): string {
  const codes = Object.entries(CODE_WORDS) as [ErrorCode, string][];
  const reasons = Object.entries(REASON_WORDS) as [ErrorReason, (typeof REASON_WORDS)[ErrorReason]][];
  return `${GENERATED}

# Errors

guestd has one set of errors. Each has a **code**, which says what kind it is, often a **reason**, which programs can branch on, a message for people, and
sometimes a hint, what to do about it. How they look depends on who asks:

${table(["routes", "an error is", "example"], ERROR_FORMS)}

What reaches no route is said in a few words of text: a path that there is not (404), a \`Host\` or \`Origin\` that is not allowed (421, 403), a request that is no HTTP (400).
A method that a path does not have is answered 405 with \`Allow\` alone. \`/execute\` and \`/contexts\` say 500 where a kernel does not start, which is 503 on \`/v1\`.

An error that happens when an answer has begun cannot change its status: a stream then ends with an event that says so, or is cut off. A program that
fails is no error of guestd: its exit code is its result. So is an exception in a cell.

## Codes

The status under *Connect* is that of RPCs, the one under *HTTP* that of all other routes; a reason may have one of its own.

${table(
  ["code", "HTTP", "Connect", "when"],
  codes.map(([code, when]) => {
    const error = new SandboxError(code, "");
    return [`\`${code}\``, String(httpStatus(error)), String(connectStatus(error)), when];
  }),
)}

## Reasons

${table(
  ["reason", "code", "HTTP", "when"],
  reasons.map(
    ([
      reason,
      {
        codes: [code, ...others],
        when,
      },
    ]) => {
      const status = httpStatus(new SandboxError(code, "", { reason }));
      return [`\`${reason}\``, [code, ...others].map((one) => `\`${one}\``).join(", "), String(status), when];
    },
  ),
)}
`;
}

if (import.meta.main) {
  for (const [path, page] of Object.entries(PAGES)) writeFileSync(join(import.meta.dirname, path), page());
}
