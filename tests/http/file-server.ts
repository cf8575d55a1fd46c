import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach } from "vitest";
import { type TestServer, testServer } from "../unit/filesystem/server.ts";

/** One test's place: the server of its file, and a directory of its own. */
export interface FilePlace {
  server: TestServer;
  root: string;
}

/** Has one server for the tests that are declared behind it; `place` is called before each with a new directory, which is there unless told. */
export function onFileServer(place: (place: FilePlace) => void, { makesRoot = true } = {}): void {
  let server: TestServer;
  let count = 0;
  beforeAll(async () => {
    server = await testServer();
  });
  afterAll(() => server[Symbol.asyncDispose]());
  beforeEach(async () => {
    count += 1;
    const root = join(server.files.root, String(count));
    if (makesRoot) await mkdir(root);
    place({ server, root });
  });
}
