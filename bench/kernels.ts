// Code contexts against a Jupyter server with ipykernel from PyPI, in the same run; and each language by itself.
import { benchCells } from "./kernels/cells.ts";
import { benchContexts } from "./kernels/contexts.ts";
import { benchLanguages } from "./kernels/languages.ts";
import { benchMemory } from "./kernels/memory.ts";
import { benchStart } from "./kernels/start.ts";
import { runParts } from "./lib/parts.ts";
import { prepareKernels } from "./lib/prepared-kernels.ts";

prepareKernels();
await runParts({
  cells: benchCells,
  contexts: benchContexts,
  start: benchStart,
  memory: benchMemory,
  languages: benchLanguages,
});
