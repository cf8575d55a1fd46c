import { expect, test } from "vitest";
import { CELL_SOAKS, runCells } from "../helpers/cell-cycles.ts";
import { CodeSession } from "../helpers/code-contexts.ts";
import { startTestDaemon } from "../helpers/daemon.ts";
import { slopeOf } from "../helpers/holdings.ts";

const MAX_BYTES = 512;
const CELLS = 4000;
const SAMPLES = 10;
/** What is left when V8 has collected all it can: until then its heap grows by megabytes at a time, as far as it likes. */
const RETAINED = `
  require("node:v8").setFlagsFromString("--expose-gc");
  require("node:vm").runInNewContext("gc")();
  process.memoryUsage().heapUsed + process.memoryUsage().external`;

test.each(["javascript", "typescript"])("%s keeps next to nothing of a cell that declares names", async (language) => {
  const cells = CELL_SOAKS[language];
  if (!cells) throw new Error(`there are no cells for ${language}`);
  await using daemon = await startTestDaemon({ kernels: "real", argv: ["--kernels", language] });
  await using session = await CodeSession.open(daemon.url, { language });
  const soak = { ...cells, rss: RETAINED };
  await runCells(daemon.url, { session, soak, count: CELLS / 2, every: CELLS });
  const slope = slopeOf(await runCells(daemon.url, { session, soak, count: CELLS, every: CELLS / SAMPLES }));
  console.log(`${language}: ${slope.toFixed(0)} B a cell stay`);
  expect(slope).toBeLessThan(MAX_BYTES);
});
