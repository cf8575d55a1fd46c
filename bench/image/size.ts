import { execFileSync } from "node:child_process";
import { statSync } from "node:fs";
import { report } from "../lib/report.ts";
import { artefactFile, unpackArtefact } from "./artefact.ts";

const MB = 1e6;

export async function benchSize(): Promise<void> {
  report({
    what: "artefact, compressed",
    unit: "MB",
    ours: statSync(artefactFile()).size / MB,
    target: { on: "ours", atMost: 45 },
    note: "gzip; Node, the bundle, the add-ons and the kernels' drivers",
  });
  using unpacked = unpackArtefact();
  const [bytes] = execFileSync("du", ["-sb", unpacked.folder], { encoding: "utf8" }).split("\t");
  report({ what: "the same, in an image", unit: "MB", ours: Number(bytes) / MB });
}
