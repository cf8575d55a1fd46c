import { isatty } from "node:tty";
import { type Config, helpText, readConfig, readVersion, UsageError } from "./config.ts";
import { startDaemon } from "./daemon.ts";
import { runDoctor } from "./doctor.ts";
import { SandboxError } from "./errors.ts";
import { checkHealth } from "./health.ts";
import { PACKAGE_ROOT } from "./host/package-root.ts";
import { awakeClock } from "./lib/awake-clock.ts";
import { createLogger, descriptorSink, type Logger } from "./log.ts";

/** After SIGTERM the daemon is gone by then, whatever resists. */
const SHUTDOWN_MS = 4800;
const EXIT_FAILURE = 1;
const EXIT_USAGE = 2;
const UMASK = 0o022;

const COMMANDS = { serve, health, doctor };

async function main(argv: readonly string[]): Promise<void> {
  if (argv.includes("--version")) return print(`guestd ${readVersion(PACKAGE_ROOT)}`);
  if (argv.includes("--help") || argv.includes("-h")) return print(helpText());
  const [first = "", ...rest] = argv;
  const isCommand = Object.hasOwn(COMMANDS, first);
  const run = isCommand ? COMMANDS[first as keyof typeof COMMANDS] : serve;
  const config = readConfig({
    root: PACKAGE_ROOT,
    argv: isCommand ? rest : argv,
    env: process.env,
    isTerminal: isatty(2),
  });
  await run(config);
}

async function serve(config: Config): Promise<void> {
  // Files that are made have the bits that the contract says, whoever started us.
  process.umask(UMASK);
  // With a listener of ours Node's own, which opens a debugger to whoever may signal us, is never installed.
  process.on("SIGUSR1", () => undefined);
  process.on("SIGCONT", () => awakeClock.noteContinued());
  const sink = descriptorSink(2);
  const log = createLogger({ level: config.logLevel, format: config.logFormat, write: (line) => sink.write(line) });
  reportBugs(log);
  process.on("exit", () => sink.flush());
  const daemon = await startDaemon(config, log);
  const stop = (signal: string): void => {
    log.info("stopping", { signal });
    setTimeout(() => process.exit(EXIT_FAILURE), SHUTDOWN_MS).unref();
    daemon[Symbol.asyncDispose]().then(
      () => process.exit(0),
      (error: unknown) => {
        log.error("stop_failed", { error: String(error) });
        process.exit(EXIT_FAILURE);
      },
    );
  };
  for (const signal of ["SIGTERM", "SIGINT"]) process.once(signal, () => stop(signal));
}

/** A bug in one request must not end everybody's programs: it is logged with its stack, and the daemon goes on. */
function reportBugs(log: Logger): void {
  const report = (error: unknown): void => {
    log.error("bug", { error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  };
  process.on("uncaughtException", report).on("unhandledRejection", report);
}

/** For images without curl: exit code 0 when a daemon answers. */
async function health(config: Config): Promise<void> {
  const { text, isHealthy } = await checkHealth(config);
  if (isHealthy) return print(text);
  fail(text, EXIT_FAILURE);
}

async function doctor(config: Config): Promise<void> {
  const { text, isHealthy } = await runDoctor(config);
  print(text);
  process.exitCode = isHealthy ? 0 : EXIT_FAILURE;
}

function print(text: string): void {
  process.stdout.write(text.endsWith("\n") ? text : `${text}\n`);
}

function fail(message: string, exitCode: number): void {
  process.stderr.write(`guestd: ${message}\n`);
  process.exitCode = exitCode;
}

main(process.argv.slice(2)).catch((error: unknown) => {
  if (error instanceof UsageError) return fail(error.message, EXIT_USAGE);
  if (error instanceof SandboxError)
    return fail(error.hint ? `${error.message}; ${error.hint}` : error.message, EXIT_FAILURE);
  process.exitCode = EXIT_FAILURE;
  throw error;
});
