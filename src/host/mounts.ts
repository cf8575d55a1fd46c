import { statfs } from "node:fs/promises";
import type { FilePath } from "./file-access.ts";
import { asPath } from "./own-file-access.ts";
import { ExpiringMap } from "../lib/expiring-map.ts";

/** File systems whose calls wait for another machine or program: NFS, CIFS, SMB, SMB2, FUSE, 9P, Ceph. */
const NETWORK_MAGICS = new Set([0x6969, 0xff534d42, 0x517b, 0xfe534d42, 0x65735546, 0x01021997, 0x00c36400]);
/** A device number may come to mean another mount. */
const MAX_AGE_MS = 5000;
const MAX_DEVICES = 256;

/** Whether `path` is on a file system of another machine or program: its calls may hang, its changes come unannounced. */
export async function isNetworkMount(path: FilePath): Promise<boolean> {
  const { type } = await statfs(asPath(path));
  return NETWORK_MAGICS.has(type);
}

/** Remembers for a few seconds which devices are such file systems. */
export class Mounts {
  readonly #known = new ExpiringMap<bigint, boolean>({ maxAgeMs: MAX_AGE_MS, maxEntries: MAX_DEVICES });

  /** Whether device `dev`, which `path` is on, is one; true when it cannot be told. Answers at once for a known device. */
  isNetwork(dev: bigint, path: FilePath): boolean | Promise<boolean> {
    return this.#known.get(dev) ?? this.#look(dev, path);
  }

  async #look(dev: bigint, path: FilePath): Promise<boolean> {
    try {
      const isNetwork = await isNetworkMount(path);
      this.#known.set(dev, isNetwork);
      return isNetwork;
    } catch {
      return true; // the careful way is slower, not wrong
    }
  }
}
