import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, mkdtempDisposableSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { arch } from "node:process";
import { ROOT } from "../lib/built-daemon.ts";

/** Where `npm run artefact` puts it. */
export function artefactFile(): string {
  const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { version: string };
  const file = join(ROOT, "out", `guestd-${version}-linux-${arch}.tar.gz`);
  if (!existsSync(file)) throw new Error(`there is no ${file}: npm run artefact`);
  return file;
}

/** The artefact as it is in an image: everybody may read it. Disposing it removes it. */
export interface Unpacked extends Disposable {
  /** What is `/opt/guestd` there. */
  readonly folder: string;
}

export function unpackArtefact(): Unpacked {
  const place = mkdtempDisposableSync(join(tmpdir(), "guestd-artefact-"));
  chmodSync(place.path, 0o755);
  execFileSync("tar", ["-C", place.path, "-xzf", artefactFile()]);
  return { folder: join(place.path, "opt", "guestd"), [Symbol.dispose]: () => place.remove() };
}
