// What guestd costs an image: the artefact's size, how soon the daemon of it serves, and what it holds in memory.
import { benchMemory } from "./image/memory.ts";
import { benchSize } from "./image/size.ts";
import { benchStart } from "./image/start.ts";
import { runParts } from "./lib/parts.ts";

await runParts({ size: benchSize, start: benchStart, memory: benchMemory });
