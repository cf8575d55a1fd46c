// Files against the bare limit: the same with Node's own streams, in the same run.
import { benchSmall } from "./files/small.ts";
import { benchTransfers } from "./files/transfers.ts";
import { benchWatch } from "./files/watch.ts";
import { runParts } from "./lib/parts.ts";

await runParts({ transfers: benchTransfers, small: benchSmall, watch: benchWatch });
