import { setTimeout as delay } from "node:timers/promises";
import { errorsOf } from "../unit/kernels/cell-client.ts";
import type { CodeSession } from "./code-contexts.ts";
import { Random } from "./random.ts";

/** Short cells that spend their time in different places; each adds one to `hits` first. */
const CELLS = [
  "hits += 1; for (let turn = 0; turn < 2e6; turn += 1);",
  "hits += 1; await null; for (let turn = 0; turn < 2e6; turn += 1); await null",
  "hits += 1; await new Promise((go) => setTimeout(go, 1)); for (let turn = 0; turn < 1e6; turn += 1); 'text'",
  "hits += 1; for (let turn = 0; turn < 50; turn += 1) console.log(turn)",
  "hits += 1; display({ hits }); ({ hits, list: Array.from({ length: 1000 }, (_, at) => at) })",
  "hits += 1; for (let turn = 0; turn < 1000; turn += 1) await null; throw new Error('its own')",
];

/**
 * Sends SIGINT to a JavaScript kernel at moments that have nothing to do with what its cells do: before, in the middle, at
 * their ends, between them. Throws when a cell ends in another way than its own or by an interrupt, or when state is lost.
 */
export async function signalAtAnyMoment(
  session: CodeSession,
  { times, seed }: { times: number; seed: number },
): Promise<void> {
  const random = new Random(seed);
  const pid = Number(await session.value("let hits = 0; process.pid"));
  let least = 0;
  for (let time = 0; time < times; time += 1) {
    const code = random.pick(CELLS);
    const running = session.run(code);
    for (let signal = random.below(3); signal >= 0; signal -= 1) {
      await delay(random.below(8));
      process.kill(-pid, "SIGINT");
    }
    const names = errorsOf(await running).map(({ name }) => name);
    if (names.some((name) => name !== "KeyboardInterrupt" && name !== "Error") || names.length > 1)
      throw new Error(`interrupt ${time} of seed ${seed}: ${code}: ${names.join()}`);
    // A signal of the last round may still hit the cell that asks.
    const asked = await askUntilTold(session);
    if (asked.pid !== pid || asked.hits < least || asked.hits > least + 1)
      throw new Error(`interrupt ${time} of seed ${seed}: ${JSON.stringify({ ...asked, least, before: pid })}`);
    least = asked.hits;
  }
}

async function askUntilTold(session: CodeSession): Promise<{ pid: number; hits: number }> {
  for (;;) {
    const lines = await session.run("console.log(JSON.stringify({ pid: process.pid, hits }))");
    const [error] = errorsOf(lines);
    if (!error) {
      const told = lines.find(({ type }) => type === "stdout")?.text;
      if (told === undefined) throw new Error(`a good cell lost its text: ${JSON.stringify(lines)}`);
      return JSON.parse(told) as { pid: number; hits: number };
    }
    if (error.name !== "KeyboardInterrupt") throw new Error(`${error.name}: ${error.value}`);
  }
}
