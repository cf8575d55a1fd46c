import type { ExecContext } from "../host/exec-context.ts";
import type { IdentityFile, IdentityFiles } from "./identity-files.ts";

/** Which sandbox this is, as far as anybody has told. */
export interface SandboxIds {
  sandboxId?: string | undefined;
  templateId?: string | undefined;
  teamId?: string | undefined;
}

const VARIABLES = { sandboxId: "E2B_SANDBOX_ID", templateId: "E2B_TEMPLATE_ID", teamId: "E2B_TEAM_ID" } as const;
const MARK = { name: ".E2B_SANDBOX", text: "true", mode: 0o444 } satisfies IdentityFile;

/** Tells programs that this is a sandbox, and which: by variables that `/init` cannot change, and by files. */
export class SandboxIdentity {
  readonly #exec: ExecContext;
  readonly #files: IdentityFiles | undefined;
  /** By the names of the variables. */
  readonly #known: Record<string, string> = {};

  /** Without `files` none are written. */
  constructor(deps: { exec: ExecContext; files: IdentityFiles | undefined }) {
    this.#exec = deps.exec;
    this.#files = deps.files;
  }

  /** Programs that start from now on have these ids; what is not told stays as it was. Resolves when the files are there, too. Never rejects. */
  async tell(ids: SandboxIds): Promise<void> {
    for (const [key, name] of Object.entries(VARIABLES) as [keyof SandboxIds, string][]) {
      const id = ids[key];
      if (id !== undefined) this.#known[name] = id;
    }
    this.#exec.setInternalEnv({ E2B_SANDBOX: MARK.text, ...this.#known });
    await this.#files?.write([MARK, ...Object.values(VARIABLES).map((name) => this.#fileOf(name))]);
  }

  /** One without text where an id is not known: a file of an earlier daemon would tell of another sandbox. */
  #fileOf(name: string): IdentityFile {
    return { name: `.${name}`, text: this.#known[name], mode: 0o644 };
  }
}
