import { readFile, statfs } from "node:fs/promises";
import type { FilePath } from "./file-access.ts";
import { parseMountInfo } from "./mount-info.ts";
import { asPath } from "./own-file-access.ts";
import { ExpiringMap } from "../lib/expiring-map.ts";

/** File systems whose calls wait for another machine or program: NFS, CIFS, SMB, SMB2, FUSE, 9P, Ceph. */
const NETWORK_MAGICS = new Set([0x6969, 0xff534d42, 0x517b, 0xfe534d42, 0x65735546, 0x01021997, 0x00c36400]);
/** A device number may come to mean another mount. */
const MAX_AGE_MS = 5000;
const MAX_DEVICES = 256;

async function isNetworkMount(path: FilePath): Promise<boolean> {
  const { type } = await statfs(asPath(path));
  return isNetworkFileSystem(type);
}

/** Whether a file system of this type, as statfs has it, is another machine's or program's. */
export function isNetworkFileSystem(type: number): boolean {
  return NETWORK_MAGICS.has(type);
}

/** Names of the same in the kernel's list of mounts. */
const NETWORK_TYPES = /^(?:nfs|nfs4|cifs|smb3|smbfs|9p|ceph|fuse|fuseblk|fuse\..*)$/;

async function networkMountPoints(): Promise<Set<string>> {
  const mounts = parseMountInfo(await readFile("/proc/self/mountinfo", "latin1"));
  return new Set(mounts.filter(({ type }) => NETWORK_TYPES.test(type)).map(({ point }) => point));
}

/** Where the file systems of other machines and programs are: their calls may hang, their changes come unannounced. */
export interface NetworkMounts {
  /** Whether a path is on one. */
  has(path: FilePath): Promise<boolean>;
  /** The directories they are mounted at, one character for each byte of a path (Latin-1). Asks none of them. */
  points(): Promise<ReadonlySet<string>>;
}

/** As the kernel knows them. */
export const NETWORK_MOUNTS: NetworkMounts = { has: isNetworkMount, points: networkMountPoints };

/** Remembers for a few seconds which devices are such file systems. */
export class Mounts {
  readonly #known = new ExpiringMap<bigint, boolean>({ maxAgeMs: MAX_AGE_MS, maxEntries: MAX_DEVICES });

  /** Whether device `dev`, which `path` is on, is one; true when it cannot be told. Answers at once for a known device. */
  isNetwork(dev: bigint, path: FilePath): boolean | Promise<boolean> {
    return this.#known.get(dev) ?? this.#look(dev, path);
  }

  /** Whether device `dev` is known not to be one; when it is not known by now, it will be soon. */
  isKnownLocal(dev: bigint, path: FilePath): boolean {
    return this.isNetwork(dev, path) === false;
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
