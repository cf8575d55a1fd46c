import { type Runtime, Session } from "node:inspector";
import { Interrupt } from "./traces.ts";

export interface Evaluation {
  value: unknown;
  /** Set when the cell threw `value`. */
  thrownAt: { line: number; column: number } | undefined;
}

const TAKE = "__guestd_take";
const TERMINATED = "Execution was terminated";

/** Runs cells in V8's own console mode: names survive, `await` works at the top, values stay alive. */
export class Evaluator {
  readonly #session = new Session();
  #taken: unknown;

  constructor() {
    this.#session.connect();
    Object.defineProperty(globalThis, TAKE, {
      value: (value: unknown) => (this.#taken = value),
      enumerable: false,
    });
  }

  /** Evaluates `code`, named `cell` in stacks. What is terminated neither returns nor throws, or throws Interrupt. */
  async evaluate(code: string, cell: string): Promise<Evaluation> {
    // Never rejected: when what waits for it is ended, nobody would handle that.
    const answer = Promise.withResolvers<{ error: Error | null; answered: Runtime.EvaluateReturnType }>();
    const expression = `${code}\n//# sourceURL=${cell}`;
    this.#session.post(
      "Runtime.evaluate",
      { expression, replMode: true, awaitPromise: true, generatePreview: false },
      (error, answered) => answer.resolve({ error, answered: answered as Runtime.EvaluateReturnType }),
    );
    const { error, answered } = await answer.promise;
    if (error) throw error.message.includes(TERMINATED) ? new Interrupt() : error;
    const { result, exceptionDetails: details } = answered;
    if (!details) return { value: this.#live(result), thrownAt: undefined };
    const thrownAt = { line: details.lineNumber, column: details.columnNumber };
    return { value: this.#live(details.exception ?? result), thrownAt };
  }

  /** Lets go of what the cell has printed: V8 keeps it for the last thousand calls. */
  forget(): void {
    this.#session.post("Runtime.discardConsoleEntries");
  }

  /** The value itself, not its description; V8 answers calls of the same thread at once. */
  #live(remote: Runtime.RemoteObject): unknown {
    const { objectId, unserializableValue: special } = remote;
    if (objectId === undefined) {
      if (special === undefined) return remote.value as unknown;
      return special.endsWith("n") ? BigInt(special.slice(0, -1)) : Number(special);
    }
    this.#session.post("Runtime.callFunctionOn", {
      objectId,
      functionDeclaration: `function (value) { ${TAKE}(value); }`,
      arguments: [{ objectId }],
    });
    this.#session.post("Runtime.releaseObject", { objectId });
    const value = this.#taken;
    this.#taken = undefined;
    return value;
  }
}
