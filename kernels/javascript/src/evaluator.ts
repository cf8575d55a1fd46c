import { type Runtime, Session } from "node:inspector";
import { Script } from "node:vm";
import { Interrupt } from "./traces.ts";

export interface Evaluation {
  value: unknown;
  /** Set when the cell threw `value`. */
  thrownAt: { line: number; column: number } | undefined;
}

const HOOK = "__guestd_evaluate";
const TERMINATED = "Execution was terminated";

/** Runs cells in V8's own console mode: names survive, `await` works at the top, values stay alive. */
export class Evaluator {
  readonly #session = new Session();
  /** Runs what `#start` is, so that a SIGINT stops it wherever it is. */
  readonly #runner = new Script(`globalThis.${HOOK}()`, { filename: "guestd-cell-runner" });
  #start: () => void = () => {};
  #taken: unknown;

  constructor() {
    this.#session.connect();
    Object.defineProperty(globalThis, HOOK, { value: () => this.#start(), enumerable: false });
    Object.defineProperty(globalThis, `${HOOK}_take`, {
      value: (value: unknown) => (this.#taken = value),
      enumerable: false,
    });
  }

  /** Evaluates `code`, named `cell` in stacks. @throws Interrupt when a SIGINT stopped it before its first await */
  async evaluate(code: string, cell: string): Promise<Evaluation> {
    const answer = Promise.withResolvers<Runtime.EvaluateReturnType>();
    answer.promise.catch(() => {}); // an interrupt is told before V8 answers
    const expression = `${code}\n//# sourceURL=${cell}`;
    this.#start = () =>
      this.#session.post(
        "Runtime.evaluate",
        { expression, replMode: true, awaitPromise: true, generatePreview: false },
        (error, answered) => (error ? answer.reject(error) : answer.resolve(answered as Runtime.EvaluateReturnType)),
      );
    try {
      this.#runner.runInThisContext({ breakOnSigint: true });
      const { result, exceptionDetails: details } = await answer.promise;
      if (!details) return { value: this.#live(result), thrownAt: undefined };
      const thrownAt = { line: details.lineNumber, column: details.columnNumber };
      return { value: this.#live(details.exception ?? result), thrownAt };
    } catch (error) {
      const { code: reason, message } = error as NodeJS.ErrnoException;
      if (reason === "ERR_SCRIPT_EXECUTION_INTERRUPTED" || message.includes(TERMINATED)) throw new Interrupt();
      throw error;
    } finally {
      this.#session.post("Runtime.discardConsoleEntries"); // else V8 keeps what the last thousand calls printed
    }
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
      functionDeclaration: `function (value) { ${HOOK}_take(value); }`,
      arguments: [{ objectId }],
    });
    this.#session.post("Runtime.releaseObject", { objectId });
    const value = this.#taken;
    this.#taken = undefined;
    return value;
  }
}
