import { statSync } from "node:fs";
import { stat } from "node:fs/promises";
import { errnoName, fromErrno, SandboxError } from "../errors.ts";
import { buildEnvironment, checkEnvironment, type Environment } from "./env.ts";
import type { ProgramSpec } from "./launcher.ts";
import { canEnterDirectory } from "./permissions.ts";
import { resolvePath } from "./paths.ts";
import type { TerminalSize } from "./pty.ts";
import type { Identity, Users } from "./users.ts";

/** A program as a caller asks for it: nothing resolved, everything but the command optional. */
export interface ProgramRequest {
  argv: readonly [string, ...string[]];
  envs?: Environment | undefined;
  /** Home of the user unless given. */
  cwd?: string | undefined;
  user?: string | undefined;
  hasStdin: boolean;
  /** In a terminal of this size instead of on pipes. */
  terminal?: TerminalSize | undefined;
}

/**
 * Who, where and with what environment things happen when a caller does not say: the one place that knows.
 * The defaults come from the command line and may be replaced by `/init`.
 */
export class ExecContext {
  readonly users: Users;
  readonly path: string;
  #defaultUser: string | undefined;
  #defaultDirectory: string | undefined;
  #internalEnv: Environment;
  #globalEnv: Environment = {};
  readonly #imageEnv: Environment;

  constructor(options: {
    users: Users;
    path: string;
    defaultUser?: string | undefined;
    defaultDirectory?: string | undefined;
    imageEnv?: Environment;
    internalEnv?: Environment;
  }) {
    this.users = options.users;
    this.path = options.path;
    this.#defaultUser = options.defaultUser;
    this.#defaultDirectory = options.defaultDirectory;
    this.#imageEnv = options.imageEnv ?? {};
    this.#internalEnv = options.internalEnv ?? {};
  }

  /** Who acts when nobody is named: as configured, else `user` (if guestd can run programs as them), else who guestd runs as. */
  get defaultUser(): Identity {
    if (this.#defaultUser !== undefined) return this.user(this.#defaultUser);
    const usual = this.users.find("user");
    const ownUid = process.geteuid?.() ?? 0;
    return usual && (ownUid === 0 || ownUid === usual.uid) ? usual : this.users.self();
  }

  /** Name of {@link defaultUser}, also when there is no such account. */
  get defaultUserName(): string {
    return this.#defaultUser ?? this.defaultUser.name;
  }

  /** Why whoever names nobody is refused, and what would help; undefined: the default user is there. */
  get defaultUserFault(): { why: string; fix: string } | undefined {
    const name = this.#defaultUser;
    if (name === undefined || this.users.find(name)) return undefined;
    const why = `programs are to run as ${JSON.stringify(name)}, and there is no such account`;
    return { why, fix: "make it, or name another with --default-user" };
  }

  /** Where an empty path leads; undefined: home. */
  get defaultDirectory(): string | undefined {
    return this.#defaultDirectory;
  }

  /** Variables of every program: those of the image, those set by `/init`, which win over them, and guestd's own, which win over all. */
  get globalEnv(): Environment {
    return { ...this.#imageEnv, ...this.#globalEnv, ...this.#internalEnv };
  }

  setDefaultUser(name: string): void {
    this.#defaultUser = name;
  }

  setDefaultDirectory(path: string): void {
    this.#defaultDirectory = path;
  }

  /** Replaces all variables that an earlier call set. @throws SandboxError invalid_argument */
  setGlobalEnv(env: Environment): void {
    checkEnvironment(env);
    this.#globalEnv = { ...env };
  }

  setInternalEnv(env: Environment): void {
    this.#internalEnv = { ...this.#internalEnv, ...env };
  }

  /** The named account, or the default one. @throws SandboxError unauthenticated when there is none of that name */
  user(name: string | undefined): Identity {
    return name === undefined ? this.defaultUser : this.users.get(name);
  }

  /** Resolves a path as `user` means it. */
  resolve(path: string, user: Identity): string {
    return resolvePath(path, user, this.#defaultDirectory);
  }

  /** The environment of a program of `user`; `envs` wins over everything. @throws SandboxError invalid_argument */
  environment(user: Identity, envs: Environment = {}): Record<string, string> {
    checkEnvironment(envs);
    return buildEnvironment(user, this.path, [this.globalEnv, envs]);
  }

  /** @throws SandboxError invalid_argument (command, directory, variables), unauthenticated (user) */
  async program(request: ProgramRequest): Promise<ProgramSpec> {
    checkArguments(request.argv);
    const identity = this.user(request.user);
    return {
      argv: request.argv,
      env: this.environment(identity, request.envs),
      cwd: await this.#directory(request.cwd, identity),
      identity,
      hasStdin: request.hasStdin,
      terminal: request.terminal,
    };
  }

  /** `cwd` if it is a directory that `user` can enter, else their home, else `/`. */
  directoryOrHome(cwd: string, user: Identity): string {
    return [this.#resolveOrHome(cwd, user), user.home].find((folder) => canEnterDirectory(user, folder)) ?? "/";
  }

  #resolveOrHome(path: string, user: Identity): string {
    try {
      return this.resolve(path, user);
    } catch {
      return user.home; // what cannot be resolved cannot be entered either
    }
  }

  async #directory(cwd: string | undefined, user: Identity): Promise<string> {
    const wanted = this.resolve(cwd ?? "", user);
    try {
      // A path that a caller names may be on a mount that hangs; the usual one is worth no detour over another thread.
      const found = cwd ? await stat(wanted) : statSync(wanted);
      if (found.isDirectory()) return wanted;
      throw new SandboxError("invalid_argument", `cwd '${wanted}' is not a directory`, { reason: "cwd_missing" });
    } catch (error) {
      if (errnoName(error) !== "ENOENT") throw fromErrno(error, `cannot use cwd '${wanted}'`, "invalid_argument");
      // An account without a home starts in / as it would at a login; a directory somebody named must be there.
      if (wanted === user.home && !cwd) return "/";
      throw new SandboxError("invalid_argument", `cwd '${wanted}' does not exist`, {
        reason: "cwd_missing",
        cause: error,
      });
    }
  }
}

function checkArguments(argv: readonly [string, ...string[]]): void {
  if (argv[0] === "") throw new SandboxError("invalid_argument", "no command given");
  const nul = argv.find((text) => text.includes("\0"));
  if (nul !== undefined)
    throw new SandboxError("invalid_argument", `argument ${JSON.stringify(nul)} contains a NUL byte`);
}
