import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { takeFromEnvironment } from "./host/libc.ts";
import type { LogFormat, LogLevel } from "./log.ts";
import { CONFIG_FILE, readConfigFile } from "./config-file.ts";
import type { ConfigField } from "./config-field.ts";
import { CONFIG_FIELDS, type ConfigValues } from "./config-fields.ts";
import { networkEnv } from "./network-env.ts";
import { readField } from "./read-field.ts";

/** A start that cannot be: the message is for a person, one line. */
export class UsageError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "UsageError";
  }
}

/** Everything that can be set from outside, read once. */
export interface Config extends ConfigValues {
  /** Where guestd is installed: the folder that holds `dist` and `kernels`. */
  root: string;
  version: string;
  token: string | undefined;
  logLevel: LogLevel;
  logFormat: LogFormat;
  preparedDir: string;
  /** Proxies and certificates that we were started with. */
  networkEnv: Readonly<Record<string, string>>;
  /** What every program gets of the image's variables. */
  imageEnv: Readonly<Record<string, string>>;
  /** The search path we were started with. */
  path: string | undefined;
}

export interface ConfigSource {
  root: string;
  argv: readonly string[];
  env: Record<string, string | undefined>;
  isTerminal: boolean;
}

/** Where people look for it first, others could read it. */
const WHERE_THE_TOKEN_IS =
  "the token is no setting, others could read it there; give it in GUESTD_TOKEN or GUESTD_TOKEN_FILE";

/** Loopback addresses of the host name `localhost`, which is never asked of a name service. */
const LOOPBACK_HOSTS = new Set(["localhost", "127.0.0.1", "::1"]);

/** Whether only programs on this machine can reach a daemon bound to `host`. */
export function isLoopbackHost(host: string): boolean {
  return LOOPBACK_HOSTS.has(host) || /^127\.\d+\.\d+\.\d+$/.test(host);
}

/**
 * Reads command line, environment and the image's file; a flag wins over its variable, and that over the file. The token is gone from the environment afterwards,
 * also from what /proc shows of it.
 * @throws UsageError
 */
export function readConfig(source: ConfigSource): Readonly<Config> {
  const token = readToken(source.env);
  const given: Given = { flags: readFlags(source.argv), env: source.env, file: readFile(source.env) };
  const values = Object.fromEntries(
    Object.entries(CONFIG_FIELDS).map(([name, field]) => [name, readValue(field, given)]),
  ) as unknown as ConfigValues;
  if (values.port === "off" && values.interpreterPort === "off" && values.listen.length === 0) {
    throw new UsageError(
      "--port off and --interpreter-port off leave nothing to reach guestd by; add --listen unix:/path",
    );
  }
  return Object.freeze({
    ...values,
    root: source.root,
    version: readVersion(source.root),
    token,
    logFormat: values.logFormat ?? (source.isTerminal ? "text" : "json"),
    preparedDir: values.preparedDir ?? defaultPreparedDir(source.env),
    networkEnv: networkEnv(source.env),
    imageEnv: { ...passedEnv(values.passEnv, source.env), ...values.env },
    path: source.env["PATH"],
  });
}

/** Where kernels are prepared unless told: a place that the kernels' user can read, whoever's folder guestd is in. */
function defaultPreparedDir(env: Record<string, string | undefined>): string {
  if (process.geteuid?.() === 0) return "/var/lib/guestd/kernels";
  return join(env["XDG_DATA_HOME"] || join(env["HOME"] || homedir(), ".local", "share"), "guestd", "kernels");
}

/** Path of the socket file that an address of `--listen` names. */
export function socketPath(address: string): string {
  return address.slice("unix:".length);
}

/** Those of our own variables that programs get: none but what is named. */
function passedEnv(
  names: readonly string[],
  env: Record<string, string | undefined>,
): Readonly<Record<string, string>> {
  return Object.fromEntries(names.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]]])));
}

/** The text of `--help`. */
export function helpText(): string {
  const lines = Object.values(CONFIG_FIELDS).map((field) => {
    const flag = `  --${field.flag}${field.kind === "flag" ? "" : ` <${field.unit ?? field.kind}>`}`;
    const shown = field.defaultText ?? JSON.stringify(field.default);
    return `${flag.padEnd(34)} ${field.help}\n${" ".repeat(35)}${field.env}, default ${shown}`;
  });
  return [
    "guestd: processes, terminals, files and code contexts of this machine over HTTP",
    "",
    "usage: guestd [options]            serve",
    "       guestd health [options]     exit 0 if a daemon with these options answers",
    "       guestd doctor [options]     say what works on this machine, and what is missing why",
    "       guestd --version | --help",
    "",
    "options (--no- in front of one without a value takes it back):",
    ...lines,
    "",
    `  Settings may also stand in ${CONFIG_FILE} (or what GUESTD_CONFIG names), by the names of their flags:`,
    '  {"start-cmd": "…", "default-user": "…"}; the environment wins over it, and the command line over both.',
    "",
    "  The access token has no flag, since command lines are public:",
    "  GUESTD_TOKEN                      the token itself; removed from the environment at start",
    "  GUESTD_TOKEN_FILE                 a file that holds it",
    "",
  ].join("\n");
}

/** Version of the guestd installed in `root`. */
export function readVersion(root: string): string {
  const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };
  return manifest.version;
}

const REPEATABLE: ReadonlySet<ConfigField["kind"]> = new Set(["list", "variables"]);

function readFlags(argv: readonly string[]): Record<string, string | boolean | (string | boolean)[] | undefined> {
  const options = Object.fromEntries(
    Object.values(CONFIG_FIELDS).map(({ flag, kind }) => [
      flag,
      { type: kind === "flag" ? ("boolean" as const) : ("string" as const), multiple: REPEATABLE.has(kind) },
    ]),
  );
  try {
    return parseArgs({ args: [...argv], options, strict: true, allowPositionals: false, allowNegative: true }).values;
  } catch (error) {
    if (argv.some((word) => /^--token(?:=|$)/.test(word))) throw new UsageError(`--token: ${WHERE_THE_TOKEN_IS}`);
    const text = error instanceof Error ? error.message.split(/\.\s/)[0] : String(error);
    throw new UsageError(`${text}; see guestd --help`);
  }
}

/** What was said where; the command line wins over the environment, and that over the file. */
interface Given {
  flags: Record<string, string | boolean | (string | boolean)[] | undefined>;
  env: Record<string, string | undefined>;
  file: Record<string, string | string[]>;
}

function readValue(field: ConfigField, { flags, env, file }: Given): unknown {
  const flag = flags[field.flag];
  if (flag !== undefined)
    return checked(field, `--${field.flag}`, Array.isArray(flag) ? flag.map(String) : String(flag));
  const variable = env[field.env];
  // Whoever starts a container cannot unset what its image sets, only empty it.
  if (variable !== undefined) return variable === "" ? field.default : checked(field, field.env, variable);
  const setting = file[field.flag];
  if (setting !== undefined) return checked(field, `${field.flag} in ${env["GUESTD_CONFIG"] || CONFIG_FILE}`, setting);
  return field.default;
}

function checked(field: ConfigField, name: string, raw: string | string[]): unknown {
  const { value, fault } = readField(field, raw);
  if (fault === undefined) return value;
  const got = field.kind === "variables" ? "" : `, got ${JSON.stringify(raw)}`;
  throw new UsageError(`${name}: ${fault}${got}`);
}

/** Settings of the image, where it has any. A file that names one that there is not has a typing error in it, and so has the name of a file that is not there. */
function readFile(env: Record<string, string | undefined>): Record<string, string | string[]> {
  const named = env["GUESTD_CONFIG"];
  const path = named || CONFIG_FILE;
  const fields = Object.values(CONFIG_FIELDS);
  const known = new Set(fields.map(({ flag }) => flag));
  const maps = new Set(fields.flatMap(({ kind, flag }) => (kind === "variables" ? [flag] : [])));
  try {
    const settings = readConfigFile(path, { isOptional: !named, maps });
    const unknown = Object.keys(settings).find((name) => !known.has(name));
    if (unknown === "token") throw new Error(`${path}: "token": ${WHERE_THE_TOKEN_IS}`);
    if (unknown !== undefined)
      throw new Error(`${path}: there is no setting ${JSON.stringify(unknown)}; see guestd --help`);
    return settings;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function readToken(env: Record<string, string | undefined>): string | undefined {
  const direct = takeFromEnvironment("GUESTD_TOKEN", env);
  const file = env["GUESTD_TOKEN_FILE"];
  if (direct && file) throw new UsageError("set GUESTD_TOKEN or GUESTD_TOKEN_FILE, not both");
  const token = file ? readTokenFile(file) : direct;
  if (token === undefined || token === "") return undefined;
  if (/[^\x21-\x7e]/.test(token))
    throw new UsageError("the token may hold printable ASCII without spaces only: it travels in a header");
  return token;
}

function readTokenFile(file: string): string {
  let token: string;
  try {
    token = readFileSync(file, "utf8").trim();
  } catch (error) {
    throw new UsageError(
      `GUESTD_TOKEN_FILE: cannot read ${JSON.stringify(file)}: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
  // An empty file is a mistake that would leave the daemon without a gate.
  if (token === "") throw new UsageError(`GUESTD_TOKEN_FILE: ${JSON.stringify(file)} is empty`);
  return token;
}
