import { begin, stream } from "../process-calls.ts";
import type { Company } from "./messages.ts";

/** Programs that read their input, kept alive whatever the fuzzer does to them. */
const LIVE = 3;
const ENDED = 3;
/** Finished runs that the daemon keeps: fewer than the fuzzer starts, so that their number is constant soon. */
export const FUZZED_ARGV: readonly string[] = ["--kept-runs", "1000", "--default-user", "nobody"];
const AS_NOBODY = { Authorization: `Basic ${Buffer.from("nobody:").toString("base64")}` };

/** The runs that the fuzzer's messages name; killed ones are replaced. */
export class FuzzCompany implements Company {
  readonly live: { pid: number; tag: string }[] = [];
  ended: { pid: number; tag: string }[] = [];
  readonly #url: string;
  #isOver = false;
  #failure: Error | undefined;

  private constructor(url: string) {
    this.#url = url;
  }

  static async gather(url: string): Promise<FuzzCompany> {
    const company = new FuzzCompany(url);
    for (let index = 0; index < LIVE; index += 1) await company.#seat(index);
    await company.renewEnded();
    return company;
  }

  /** Finished runs are forgotten when newer ones come: from time to time there must be others. */
  async renewEnded(): Promise<void> {
    if (this.#failure) throw this.#failure;
    const runs = Array.from({ length: ENDED }, async (_, index) => {
      const tag = `ended-${index}`;
      const message = { process: { cmd: "/bin/echo", args: ["x".repeat(1000)], cwd: "/" }, tag, stdin: false };
      const [first] = await stream(this.#url, "Start", message, AS_NOBODY);
      return { pid: first?.start?.pid ?? 0, tag };
    });
    this.ended = await Promise.all(runs);
  }

  /** From now on nobody is replaced. */
  leave(): void {
    this.#isOver = true;
  }

  async #seat(index: number): Promise<void> {
    const tag = `live-${index}`;
    const program = await begin(this.#url, { process: { cmd: "/bin/cat", cwd: "/" }, tag, stdin: true }, AS_NOBODY);
    this.live[index] = { pid: program.pid, tag };
    program
      .rest()
      .then(() => (this.#isOver ? undefined : this.#seat(index)))
      .catch((error: unknown) => {
        if (!this.#isOver) this.#failure = error instanceof Error ? error : new Error(String(error));
      });
  }
}
