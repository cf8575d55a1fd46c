import { type Capability, findCapabilities } from "../host/capabilities.ts";
import type { ExecContext } from "../host/exec-context.ts";
import type { Launcher } from "../host/launcher.ts";

/** A language and whether it can be had here, in the words of whoever knows. */
export type LanguageInfo = { language: string; aliases: readonly string[] } & (
  | { isAvailable: true; version: string; engine: string }
  | { isAvailable: false; why: string; fix: string }
);

/** What this daemon is and can do on this machine. */
export interface DaemonInfo {
  version: string;
  node: string;
  startedAt: Date;
  user: string;
  defaultUser: string;
  capabilities: readonly Capability[];
  languages: readonly LanguageInfo[];
  limits: Readonly<Record<string, number>>;
  template: TemplateInfo;
}

/** How far what the image starts has come. */
export interface TemplateInfo {
  state: "starting" | "ready" | "failed" | "stopped";
  why: string | undefined;
  runId: string | undefined;
  restarts: number;
}

export interface InfoDeps {
  launcher: Launcher;
  exec: ExecContext;
  version: string;
  languages: () => Promise<readonly LanguageInfo[]>;
  /** Name with its unit → value. */
  limits: Readonly<Record<string, number>>;
  template: () => TemplateInfo;
}

/** Collects {@link DaemonInfo} when asked. */
export class Info {
  readonly #deps: InfoDeps;
  readonly #startedAt = new Date();

  constructor(deps: InfoDeps) {
    this.#deps = deps;
  }

  async collect(): Promise<DaemonInfo> {
    const { launcher, exec, version, languages, limits, template } = this.#deps;
    return {
      version,
      node: process.versions.node,
      startedAt: this.#startedAt,
      user: exec.users.self().name,
      defaultUser: exec.defaultUserName,
      capabilities: await findCapabilities(launcher, exec),
      languages: await languages(),
      limits,
      template: template(),
    };
  }
}
