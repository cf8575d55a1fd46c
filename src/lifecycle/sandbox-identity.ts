import type { ExecContext } from "../host/exec-context.ts";
import type { IdentityFile, IdentityFiles } from "./identity-files.ts";

/** Which sandbox this is, as far as anybody has told. */
export interface SandboxIds {
  sandboxId?: string | undefined;
  templateId?: string | undefined;
  teamId?: string | undefined;
}

const VARIABLES = { sandboxId: "E2B_SANDBOX_ID", templateId: "E2B_TEMPLATE_ID", teamId: "E2B_TEAM_ID" } as const;
const MARK: IdentityFile = { name: ".E2B_SANDBOX", text: "true", mode: 0o444 };

/** Tells programs that this is a sandbox, and which: by variables that `/init` cannot change, and by files. */
export class SandboxIdentity {
  readonly #exec: ExecContext;
  readonly #files: IdentityFiles | undefined;

  /** Without `files` none are written. */
  constructor(deps: { exec: ExecContext; files: IdentityFiles | undefined }) {
    this.#exec = deps.exec;
    this.#files = deps.files;
  }

  /** Programs that start from now on have these ids; what is not told stays as it was. Resolves when the files are there, too. Never rejects. */
  async tell(ids: SandboxIds): Promise<void> {
    const told = (Object.keys(VARIABLES) as (keyof typeof VARIABLES)[]).flatMap((key) => {
      const id = ids[key];
      return id === undefined ? [] : [[VARIABLES[key], id] as const];
    });
    this.#exec.setInternalEnv({ E2B_SANDBOX: MARK.text, ...Object.fromEntries(told) });
    await this.#files?.write([MARK, ...told.map(([name, text]) => ({ name: `.${name}`, text, mode: 0o644 }))]);
  }
}
