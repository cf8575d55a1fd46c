import type { Processes } from "../processes/processes.ts";
import type { RunEnd } from "../runs/ending.ts";
import type { Run } from "../runs/run.ts";
import type { Runs } from "../runs/runs.ts";

export interface ImageCommandsOptions {
  processes: Processes;
  runs: Runs;
  /** How a command line is run: program and arguments. */
  shell: (commandLine: string) => { cmd: string; args: readonly string[] };
  /** Where they run; the usual place unless given. */
  directory?: string | undefined;
}

/** What is told of a command's output when it fails: its last bytes. */
const LAST_WORDS_BYTES = 500;

/** Command lines of the image, run as the default user; each is found by its tag. */
export class ImageCommands {
  readonly #options: ImageCommandsOptions;

  constructor(options: ImageCommandsOptions) {
    this.#options = options;
  }

  /**
   * Starts one. Of those that could not be started only the newest stays listed.
   * @throws SandboxError
   */
  async start(commandLine: string, { tag, wallMs }: { tag: string; wallMs?: number }): Promise<Run> {
    const { processes, shell, directory: cwd } = this.#options;
    await this.forgetUnstarted(tag);
    const nothing = { envs: {}, cwd, user: undefined, hasStdin: false };
    const deadlines = wallMs === undefined ? undefined : { wallMs };
    return processes.start({ ...shell(commandLine), ...nothing, tag, deadlines });
  }

  /** Ends what is left of a run and forgets it. */
  async remove(run: Run): Promise<void> {
    await this.#options.runs.remove(run, "guestd");
  }

  async forgetUnstarted(tag: string): Promise<void> {
    const { runs } = this.#options;
    const unstarted = runs.findByTag(tag, ({ end }) => end?.ending.type === "spawn_failed");
    if (unstarted) await this.remove(unstarted);
  }
}

export function isSuccess({ ending }: RunEnd): boolean {
  return ending.type === "exited" && ending.code === 0;
}

/** How a run has ended, in a few words that hold nothing of its output. */
export function endingWords({ ending }: RunEnd): string {
  switch (ending.type) {
    case "exited":
      return `exit status ${ending.code}`;
    case "signaled":
      return `ended by ${ending.signal}`;
    case "timeout":
      return "it took too long";
    case "oom":
      return "out of memory";
    case "cancelled":
      return `cancelled by ${ending.by}`;
    case "finished":
      return ending.status;
    case "spawn_failed":
    case "lost":
      return ending.message;
  }
}

/** The last that a run has written to its standard error, else to its standard output. */
export async function lastWords({ log }: Run): Promise<string> {
  const stream = log.ends.stderr > 0 ? "stderr" : "stdout";
  const start = Math.max(log.oldest[stream], log.ends[stream] - LAST_WORDS_BYTES);
  const pieces: Buffer[] = [];
  try {
    for await (const { bytes } of log.read({
      from: { offsets: { [stream]: start } },
      streams: [stream],
      follow: false,
      isTransient: true,
    }))
      pieces.push(Buffer.from(bytes));
  } catch {
    return ""; // the run was forgotten meanwhile
  }
  return Buffer.concat(pieces).toString().trim();
}
