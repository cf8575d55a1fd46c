import { chmodSync, chownSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Users } from "../../src/host/users.ts";
import { startTestDaemon, type TestDaemon, until } from "./daemon.ts";

/** What `POST /v1/run` answers, as far as these tests look at it. */
export interface Result {
  id: string;
  ending: string;
  exitCode: number | null;
  signal?: string;
  stdout: string;
  stderr: string;
}

/** A daemon whose search path holds nothing that others change meanwhile, as pyenv does at each login on this machine. */
export function startLoginDaemon(argv: readonly string[]): Promise<TestDaemon> {
  return startTestDaemon({ argv, env: { PATH: "/usr/local/bin:/usr/bin:/bin" } });
}

/** Runs a command line with `bash -l -c`, as the SDKs do. */
export async function login(
  daemon: TestDaemon,
  commandLine: string,
  more: Record<string, unknown> = {},
): Promise<Result> {
  const response = await daemon.fetch("/v1/run", {
    method: "POST",
    headers: { "content-type": "application/json", accept: "application/json" },
    body: JSON.stringify({ cmd: "/bin/bash", args: ["-l", "-c", commandLine], ...more }),
  });
  if (response.status !== 200) throw new Error(`status ${response.status}: ${await response.text()}`);
  return (await response.json()) as Result;
}

/** What a daemon with `--cached-login` logged of its trials. */
export function trials(daemon: TestDaemon): Record<string, unknown>[] {
  return daemon.log.filter(({ event }) => String(event).startsWith("login."));
}

/** Logs in until the daemon has tried that login, and returns what it logged. */
export async function tried(daemon: TestDaemon, more: Record<string, unknown> = {}): Promise<Record<string, unknown>> {
  const before = trials(daemon).length;
  await login(daemon, "true", more);
  await until(() => trials(daemon).length > before);
  return trials(daemon)[before] ?? {};
}

/** A home directory that bash finds through `HOME`, with a daemon that caches logins. */
export class LoginHome implements AsyncDisposable {
  readonly path = mkdtempSync(join(tmpdir(), "guestd-login-"));
  readonly daemon: TestDaemon;

  private constructor(daemon: TestDaemon, profile: string) {
    this.daemon = daemon;
    const account = process.geteuid?.() === 0 ? new Users().find("user") : undefined;
    if (account) chownSync(this.path, account.uid, account.gid);
    chmodSync(this.path, 0o755);
    this.write(".profile", profile);
  }

  static async open(profile: string): Promise<LoginHome> {
    return new LoginHome(await startLoginDaemon(["--cached-login"]), profile);
  }

  write(name: string, text: string): void {
    writeFileSync(join(this.path, name), text);
  }

  login(commandLine: string, more: Record<string, unknown> = {}): Promise<Result> {
    return login(this.daemon, commandLine, this.in(more));
  }

  tried(more: Record<string, unknown> = {}): Promise<Record<string, unknown>> {
    return tried(this.daemon, this.in(more));
  }

  /** Whether a login is now replaced: only a shell that is no login shell can tell. */
  async isCached(more: Record<string, unknown> = {}): Promise<boolean> {
    return (await this.login("shopt -q login_shell", more)).exitCode === 1;
  }

  /** Command lines of the processes that were started with this home. */
  processes(): string[] {
    return globSync("/proc/[0-9]*/environ")
      .filter((file) => readText(file).split("\0").includes(`HOME=${this.path}`))
      .map((file) => readText(join(file, "..", "cmdline")).replaceAll("\0", " "));
  }

  /** Processes of trials: only those trace what they do. */
  trialProcesses(): string[] {
    return this.processes().filter((line) => line.includes(" -l -x "));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.daemon[Symbol.asyncDispose]();
    rmSync(this.path, { recursive: true, force: true });
  }

  private in(more: Record<string, unknown>): Record<string, unknown> {
    const envs = more["envs"] as Record<string, string> | undefined;
    return { ...more, envs: { HOME: this.path, ...envs } };
  }
}

function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return ""; // it has ended
  }
}
