import { isUtf8 } from "node:buffer";
import { errnoText, SandboxError } from "../errors.ts";
import type { FileAccess, FileDescriptor, FilePath, FileStats } from "../host/file-access.ts";
import type { Mounts } from "../host/mounts.ts";
import { fileError, isNoSpace, isUnsupported, noSpace } from "./failures.ts";
import type { Metadata } from "./types.ts";

/** Begins the names of the extended attributes that hold metadata. */
export const METADATA_PREFIX = "user.e2b.";
/** The kernel's limit of 255 for a name, less the prefix. */
const MAX_KEY_BYTES = 255 - METADATA_PREFIX.length;
const MAX_TOTAL_BYTES = 4096;
/** Values by key, as stored. */
type Attributes = Map<string, Buffer>;

const NONE: Metadata = Object.freeze({});

/** @throws SandboxError invalid_argument for keys and values that no file could keep */
export function checkMetadata(metadata: Metadata): void {
  let total = 0;
  for (const [key, value] of Object.entries(metadata)) {
    if (key.length > MAX_KEY_BYTES) throw invalid(`metadata key ${JSON.stringify(key)} exceeds ${MAX_KEY_BYTES} bytes`);
    checkPrintable(key, "metadata key");
    checkPrintable(value, `metadata value for key ${JSON.stringify(key)}`);
    total += METADATA_PREFIX.length + key.length + value.length;
  }
  if (total > MAX_TOTAL_BYTES) throw invalid(`total metadata size ${total} exceeds ${MAX_TOTAL_BYTES} bytes`);
}

function checkPrintable(text: string, what: string): void {
  const bytes = Buffer.from(text, "latin1");
  const offset = bytes.findIndex((byte) => byte < 0x20 || byte > 0x7e);
  if (offset < 0) return;
  const byte = bytes.toString("hex", offset, offset + 1);
  throw invalid(`${what} contains non-printable-ASCII byte 0x${byte} at offset ${offset}`);
}

function invalid(what: string): SandboxError {
  return new SandboxError("invalid_argument", `invalid metadata: ${what}`);
}

/** Keeps metadata in extended attributes. Paths may lead over links: those are followed. `dev` is the device that the file is on. */
export class MetadataStore {
  readonly #mounts: Mounts;

  constructor(mounts: Mounts) {
    this.#mounts = mounts;
  }

  /** False when there surely is none. Answers at once, with one short call, for devices that are known to be local. */
  mayHaveAny(access: FileAccess, path: FilePath, dev: bigint): boolean | Promise<boolean> {
    const isNetwork = this.#mounts.isNetwork(dev, path);
    if (typeof isNetwork === "boolean") return isNetwork || access.hasAttributes(path, METADATA_PREFIX);
    return isNetwork.then((known) => known || access.hasAttributes(path, METADATA_PREFIX));
  }

  /** What `cached` says if that is surely up to date. */
  ifUpToDate(cached: FileStats | undefined, path: FilePath): FileStats | undefined {
    return cached && this.#mounts.isKnownLocal(cached.dev, path) ? cached : undefined;
  }

  /** Empty when there is none, or it cannot be read. */
  async read(access: FileAccess, path: FilePath, dev: bigint): Promise<Metadata> {
    if (!(await this.mayHaveAny(access, path, dev))) return NONE;
    try {
      const texts = [...(await readAll(access, path))].filter(([, value]) => isUtf8(value));
      return Object.fromEntries(texts.map(([key, value]) => [key, value.toString("utf8")]));
    } catch {
      return NONE; // gone, or on a file system without attributes
    }
  }

  /**
   * Makes `metadata` the whole metadata of a file. Where the file system keeps none, nothing happens. What was there before is put back
   * when it fails, and by the function that is returned.
   * @throws SandboxError resource_exhausted (reason no_space), permission_denied, internal
   */
  async replace(file: FileDescriptor, dev: bigint, metadata: Metadata): Promise<() => Promise<void>> {
    const { access, self: path } = file;
    const after = Object.entries(metadata).map(([key, value]) => [key, Buffer.from(value, "latin1")] as const);
    if (after.length === 0 && !(await this.mayHaveAny(access, path, dev))) return noUndo;
    let before: Attributes = new Map();
    try {
      before = await readAll(access, path);
      await apply(file, before, new Map(after));
    } catch (error) {
      if (isUnsupported(error)) return noUndo;
      await restore(file, before);
      throw failure(error);
    }
    return () => restore(file, before);
  }
}

async function noUndo(): Promise<void> {
  // nothing was done
}

async function readAll(access: FileAccess, path: FilePath): Promise<Attributes> {
  const values = new Map<string, Buffer>();
  for (const name of await access.listAttributes(path)) {
    // A name that is not UTF-8 cannot be asked for.
    if (!name.startsWith(METADATA_PREFIX) || name.includes("\uFFFD")) continue;
    values.set(name.slice(METADATA_PREFIX.length), await access.readAttribute(path, name));
  }
  return values;
}

async function apply({ access, self }: FileDescriptor, before: Attributes, after: Attributes): Promise<void> {
  for (const key of before.keys()) {
    if (!after.has(key)) await access.removeAttribute(self, METADATA_PREFIX + key);
  }
  for (const [key, value] of after) {
    if (!before.get(key)?.equals(value)) await access.writeAttribute(self, METADATA_PREFIX + key, value);
  }
}

async function restore(file: FileDescriptor, before: Attributes): Promise<void> {
  try {
    await apply(file, await readAll(file.access, file.self), before);
  } catch {
    // The error that led here is the one to tell.
  }
}

function failure(error: unknown): SandboxError {
  if (isNoSpace(error)) return noSpace(`not enough space for file metadata: ${errnoText(error)}`, error);
  return fileError(error, "error writing file metadata");
}
