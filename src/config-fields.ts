import type { ConfigField } from "./config-field.ts";
import { KERNEL_FIELDS, type KernelConfigValues } from "./kernel-config-fields.ts";
import type { LogFormat, LogLevel } from "./log.ts";
import { SANDBOX_FIELDS, type SandboxConfigValues } from "./sandbox-config-fields.ts";
import { TEMPLATE_FIELDS, type TemplateConfigValues } from "./template-config-fields.ts";

export interface ConfigValues extends KernelConfigValues, SandboxConfigValues, TemplateConfigValues {
  host: string;
  port: number | "off";
  interpreterPort: number | "off";
  listen: readonly string[];
  listenMode: "600" | "660" | "666";
  allowedHosts: readonly string[];
  isInsecure: boolean;
  forwardsPorts: boolean;
  forwardsAllPorts: boolean;
  defaultUser: string | undefined;
  defaultWorkdir: string | undefined;
  areFilesAsUser: boolean;
  isStrictInterpreter: boolean;
  isLoginCached: boolean;
  preparedDir: string | undefined;
  stateDir: string | undefined;
  freezableFs: string | undefined;
  logLevel: LogLevel;
  logFormat: LogFormat | undefined;
  runMemoryBytes: number;
  runDiskBytes: number;
  logOverflow: "drop" | "wait";
  logsDiskBytes: number;
  keptRuns: number;
  keptRunSeconds: number;
  watchedDirectories: number;
  keptWatchEvents: number;
  watcherIdleSeconds: number;
}

const MIB = 1024 * 1024;

export const CONFIG_FIELDS: Readonly<Record<keyof ConfigValues, ConfigField>> = {
  host: {
    flag: "host",
    env: "GUESTD_HOST",
    kind: "text",
    unit: "address",
    default: "localhost",
    defaultText: "localhost (127.0.0.1 and, where there is one, ::1)",
    help: "address to bind",
  },
  port: {
    flag: "port",
    env: "GUESTD_PORT",
    kind: "port",
    allowsOff: true,
    default: 49983,
    help: "API port; 0 takes any and prints it; off for none, with --listen",
  },
  interpreterPort: {
    flag: "interpreter-port",
    env: "GUESTD_INTERPRETER_PORT",
    kind: "port",
    allowsOff: true,
    default: 49999,
    help: "second port for the same app, where code interpreter SDKs look; off for none",
  },
  listen: {
    flag: "listen",
    env: "GUESTD_LISTEN",
    kind: "list",
    unit: "unix:/path",
    items: { match: /^unix:\/.+/, says: "unix: and an absolute path" },
    default: [],
    defaultText: "none",
    help: "socket file to serve the API on as well, see --listen-mode; repeatable, or separated by commas",
  },
  listenMode: {
    flag: "listen-mode",
    env: "GUESTD_LISTEN_MODE",
    kind: "choice",
    unit: "octal",
    choices: ["600", "660", "666"],
    default: "600",
    help: "who may connect to the socket files: 600 the user that guestd runs as, 660 its group too, 666 everybody; a token is asked for all the same",
  },
  allowedHosts: {
    flag: "allowed-host",
    env: "GUESTD_ALLOWED_HOST",
    kind: "list",
    unit: "name",
    default: [],
    defaultText: "none",
    help: "name that requests may use for this machine while there is no token; repeatable, or separated by commas",
  },
  isInsecure: {
    flag: "insecure",
    env: "GUESTD_INSECURE",
    kind: "flag",
    default: false,
    help: "serve everybody on a public address without a token",
  },
  forwardsPorts: {
    flag: "forward-ports",
    env: "GUESTD_FORWARD_PORTS",
    kind: "flag",
    default: false,
    help: "make programs that guestd has started and that listen on loopback reachable on this machine's other addresses, on the same port and without a token",
  },
  forwardsAllPorts: {
    flag: "forward-all-ports",
    env: "GUESTD_FORWARD_ALL_PORTS",
    kind: "flag",
    default: false,
    help: "the same for everything that listens on loopback, whoever has started it",
  },
  defaultUser: {
    flag: "default-user",
    env: "GUESTD_DEFAULT_USER",
    kind: "text",
    unit: "name",
    default: undefined,
    defaultText: "user if there is such an account, else the one guestd runs as",
    help: "who programs, files and kernels belong to when a request names nobody",
  },
  defaultWorkdir: {
    flag: "default-workdir",
    env: "GUESTD_DEFAULT_WORKDIR",
    kind: "text",
    unit: "path",
    default: undefined,
    defaultText: "the user's home",
    help: "where programs start and empty paths lead when a request names no directory",
  },
  areFilesAsUser: {
    flag: "files-as-user",
    env: "GUESTD_FILES_AS_USER",
    kind: "flag",
    default: false,
    help: "touch files with the rights of the requested user only",
  },
  isStrictInterpreter: {
    flag: "strict-interpreter",
    env: "GUESTD_STRICT_INTERPRETER",
    kind: "flag",
    default: false,
    help: "ask for the token on /contexts too, where the published SDKs send none",
  },
  isLoginCached: {
    flag: "cached-login",
    env: "GUESTD_CACHED_LOGIN",
    kind: "flag",
    default: false,
    help: "run bash -l -c X as bash -c X in the environment of an earlier login, where that makes no difference",
  },
  ...SANDBOX_FIELDS,
  ...TEMPLATE_FIELDS,
  ...KERNEL_FIELDS,
  preparedDir: {
    flag: "prepared-dir",
    env: "GUESTD_PREPARED_DIR",
    kind: "text",
    unit: "path",
    default: undefined,
    defaultText: "/var/lib/guestd/kernels for root, else in the user's data directory",
    help: "what npm run kernels has prepared for the kernels",
  },
  stateDir: {
    flag: "state-dir",
    env: "GUESTD_STATE_DIR",
    kind: "text",
    unit: "path",
    default: undefined,
    defaultText: "the temporary directory",
    help: "where to make the directory for spilled logs and kernel pipes; it is bounded, and removed at exit, or by the next start with this setting if guestd was killed",
  },
  freezableFs: {
    flag: "freezable-fs",
    env: "GUESTD_FREEZABLE_FS",
    kind: "text",
    unit: "path",
    default: undefined,
    defaultText: "none",
    help: "a directory on the file system that /fsfreeze may freeze; / only where the machine is the sandbox's own",
  },
  logLevel: {
    flag: "log-level",
    env: "GUESTD_LOG_LEVEL",
    kind: "choice",
    unit: "level",
    choices: ["error", "warn", "info", "debug"],
    default: "info",
    help: "least important lines to log on stderr: error, warn, info or debug",
  },
  logFormat: {
    flag: "log-format",
    env: "GUESTD_LOG_FORMAT",
    kind: "choice",
    unit: "format",
    choices: ["json", "text"],
    default: undefined,
    defaultText: "json (text on a terminal)",
    help: "json or text",
  },
  runMemoryBytes: {
    flag: "run-memory-bytes",
    env: "GUESTD_RUN_MEMORY_BYTES",
    kind: "integer",
    unit: "bytes",
    min: 64 * 1024,
    max: 1024 * MIB,
    default: 256 * 1024,
    help: "output of one run kept in memory before the older part moves to disk",
  },
  runDiskBytes: {
    flag: "run-disk-bytes",
    env: "GUESTD_RUN_DISK_BYTES",
    kind: "integer",
    unit: "bytes",
    min: 64 * 1024,
    max: 1024 * 1024 * MIB,
    default: 64 * MIB,
    help: "output of one run kept on disk; the oldest part goes first",
  },
  logOverflow: {
    flag: "log-overflow",
    env: "GUESTD_LOG_OVERFLOW",
    kind: "choice",
    unit: "what",
    choices: ["drop", "wait"],
    default: "drop",
    help: "when a program's kept output is full: drop its oldest part, or let the program wait until that was received",
  },
  logsDiskBytes: {
    flag: "logs-disk-bytes",
    env: "GUESTD_LOGS_DISK_BYTES",
    kind: "integer",
    unit: "bytes",
    min: 0,
    max: 1024 * 1024 * MIB,
    default: 1024 * MIB,
    help: "output of all runs together kept on disk; finished runs are forgotten first",
  },
  keptRuns: {
    flag: "kept-runs",
    env: "GUESTD_KEPT_RUNS",
    kind: "integer",
    unit: "count",
    min: 1,
    max: 1_000_000,
    default: 1000,
    help: "finished runs whose result and output stay readable",
  },
  keptRunSeconds: {
    flag: "kept-run-seconds",
    env: "GUESTD_KEPT_RUN_SECONDS",
    kind: "integer",
    unit: "seconds",
    min: 1,
    max: 365 * 24 * 3600,
    default: 3600,
    help: "how long they do",
  },
  watchedDirectories: {
    flag: "watched-directories",
    env: "GUESTD_WATCHED_DIRECTORIES",
    kind: "integer",
    unit: "count",
    min: 1,
    max: 100_000_000,
    default: 1_000_000,
    help: "directories that the kernel watches for guestd at most; what is beyond is polled",
  },
  keptWatchEvents: {
    flag: "kept-watch-events",
    env: "GUESTD_KEPT_WATCH_EVENTS",
    kind: "integer",
    unit: "count",
    min: 1,
    max: 10_000_000,
    default: 65_536,
    help: "events of a watched directory kept for a reader that is slow; a slower one is told to look at everything again",
  },
  watcherIdleSeconds: {
    flag: "watcher-idle-seconds",
    env: "GUESTD_WATCHER_IDLE_SECONDS",
    kind: "integer",
    unit: "seconds",
    min: 1,
    max: 365 * 24 * 3600,
    default: 3600,
    help: "how long a watcher lives that nobody polls",
  },
};
