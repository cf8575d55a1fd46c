import { chmodSync, cpSync, linkSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { REPOSITORY } from "./daemon.ts";

/** A copy of what a daemon needs where every user can read it, with a Node that they can run. */
export interface Installation extends Disposable {
  readonly root: string;
  readonly node: string;
}

const PARTS = ["dist", "kernels", "package.json", "node_modules/koffi", "node_modules/@koromix"];

/** Tests may live in a folder that only root enters: other users get this instead. */
export function installForEverybody(): Installation {
  const root = mkdtempSync(join(tmpdir(), "guestd-installation-"));
  chmodSync(root, 0o755);
  for (const part of PARTS) {
    mkdirSync(dirname(join(root, part)), { recursive: true });
    cpSync(join(REPOSITORY, part), join(root, part), { recursive: true, dereference: true });
  }
  const node = join(root, "node");
  try {
    linkSync(process.execPath, node);
  } catch {
    cpSync(process.execPath, node); // another file system
  }
  return { root, node, [Symbol.dispose]: () => rmSync(root, { recursive: true, force: true }) };
}
