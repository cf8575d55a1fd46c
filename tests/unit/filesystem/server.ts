import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { signedUrls } from "../../../src/edge/http/signed-url.ts";
import { AtomicWrites } from "../../../src/filesystem/atomic-writes.ts";
import { Changes } from "../../../src/filesystem/changes.ts";
import { composeRoutes } from "../../../src/filesystem/compose-rest.ts";
import { Compositions } from "../../../src/filesystem/compositions.ts";
import { Downloads } from "../../../src/filesystem/downloads.ts";
import { FileLocks } from "../../../src/filesystem/file-locks.ts";
import { Filesystem } from "../../../src/filesystem/filesystem.ts";
import { MetadataStore } from "../../../src/filesystem/metadata.ts";
import { nativeFilesRoutes } from "../../../src/filesystem/native/rest.ts";
import { PartialWrites } from "../../../src/filesystem/partial-writes.ts";
import { filesRoutes } from "../../../src/filesystem/rest.ts";
import { filesystemRpcRoutes } from "../../../src/filesystem/rpc.ts";
import { Uploads } from "../../../src/filesystem/uploads.ts";
import { ExecContext } from "../../../src/host/exec-context.ts";
import type { FileRights } from "../../../src/host/file-access.ts";
import { Mounts } from "../../../src/host/mounts.ts";
import { OWN_RIGHTS } from "../../../src/host/own-file-access.ts";
import { Users } from "../../../src/host/users.ts";
import { Access } from "../../../src/lifecycle/access.ts";
import { serveRoutes } from "../../helpers/route-server.ts";

export const isRoot = process.geteuid?.() === 0;

/** The capability's services as the daemon builds them, with a directory for tests. */
export interface TestFiles extends AsyncDisposable {
  users: Users;
  exec: ExecContext;
  filesystem: Filesystem;
  uploads: Uploads;
  atomicWrites: AtomicWrites;
  partialWrites: PartialWrites;
  changes: Changes;
  compositions: Compositions;
  downloads: Downloads;
  /** Where tests may do what they like. */
  root: string;
  /** Where uploads are spooled. */
  spool: string;
}

export async function testFiles(options: { users?: Users; rights?: FileRights } = {}): Promise<TestFiles> {
  const { users = new Users(), rights = OWN_RIGHTS } = options;
  const root = await mkdtemp(join(tmpdir(), "guestd-test-"));
  const spool = await mkdtemp(join(tmpdir(), "guestd-spool-"));
  const exec = new ExecContext({ users, path: "/usr/bin", defaultUser: users.self().name });
  const metadata = new MetadataStore(new Mounts());
  const writing = { exec, rights, metadata, locks: new FileLocks(), spoolDirectory: spool };
  return {
    users,
    exec,
    root,
    spool,
    filesystem: new Filesystem({ exec, rights, metadata }),
    uploads: new Uploads(writing),
    atomicWrites: new AtomicWrites(writing),
    partialWrites: new PartialWrites(writing),
    changes: new Changes(writing),
    compositions: new Compositions(writing),
    downloads: new Downloads({ exec, rights }),
    [Symbol.asyncDispose]: async () => {
      await rm(root, { recursive: true, force: true });
      await rm(spool, { recursive: true, force: true });
    },
  };
}

export interface TestServer extends AsyncDisposable {
  url: string;
  port: number;
  files: TestFiles;
}

/** The capability's routes behind the daemon's own edge, on a port of its own. */
export async function testServer(options: { token?: string; uploadIdleMs?: number } = {}): Promise<TestServer> {
  const files = await testFiles();
  const access = new Access({ token: options.token, isLocked: false });
  const { filesystem, uploads, downloads, users } = files;
  const idle = options.uploadIdleMs ? { uploadIdleMs: options.uploadIdleMs } : {};
  const routes = [
    ...filesystemRpcRoutes(filesystem),
    ...filesRoutes({
      uploads,
      downloads,
      authorize: signedUrls(access),
      ...idle,
    }),
    ...composeRoutes(files.compositions),
    ...nativeFilesRoutes({ ...files, ...idle }),
  ];
  const server = await serveRoutes({ routes, access, checkUser: (name) => void users.get(name) });
  return {
    url: server.url,
    port: server.port,
    files,
    [Symbol.asyncDispose]: async () => {
      await server[Symbol.asyncDispose]();
      await files[Symbol.asyncDispose]();
    },
  };
}

/** Runs `body` with the rights of an ordinary user. */
export async function asOrdinaryUser<T>(body: () => Promise<T>): Promise<T> {
  if (!isRoot) return body();
  process.setegid?.(65_534);
  process.seteuid?.(65_534);
  try {
    return await body();
  } finally {
    process.seteuid?.(0);
    process.setegid?.(0);
  }
}
