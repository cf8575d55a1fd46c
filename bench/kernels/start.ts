import { timed } from "../lib/code-place.ts";
import { startJupyter } from "../lib/jupyter.ts";
import { startOwnContexts } from "../lib/own-contexts.ts";
import { compare } from "./comparison.ts";

/** From the start of the process until the default contexts, of Python and JavaScript, are ready. */
export async function benchStart(): Promise<void> {
  await compare({
    what: "cold start until both default contexts are ready",
    rounds: 5,
    ours: async () => [await timeStart(startOwnContexts)],
    // One kernel that has answered, which is the least that can be called ready.
    jupyter: async () => [
      await timeStart(async () => {
        const place = await startJupyter();
        await using session = await place.open();
        await session.run("1");
        return place;
      }),
    ],
    target: { on: "ours", atMost: 1000 },
    usual: "4.3 s",
  });
}

/** Ending it is not part of it. */
async function timeStart(start: () => Promise<AsyncDisposable>): Promise<number> {
  let place: AsyncDisposable | undefined;
  const ms = await timed(async () => (place = await start()));
  await place?.[Symbol.asyncDispose]();
  return ms;
}
