import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

/** A server of `/files` in a process of its own that does nothing but read and write. Disposing it ends it. */
export interface BareFiles extends AsyncDisposable {
  readonly port: number;
}

export async function startBareFiles(): Promise<BareFiles> {
  const server = fork(join(import.meta.dirname, "bare-file-server.ts"));
  const exited = once(server, "exit");
  const [port] = (await once(server, "message")) as [number];
  return {
    port,
    async [Symbol.asyncDispose]() {
      server.disconnect();
      await exited;
    },
  };
}
