import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createConnection, createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "./daemon.ts";

/** An ssh server of this machine that lets nobody in. */
export interface SshServer extends AsyncDisposable {
  readonly port: number;
  /** As a line of `known_hosts` has it, behind the host's name. */
  readonly hostKey: string;
}

export async function startSshServer(): Promise<SshServer> {
  await using stack = new AsyncDisposableStack();
  const folder = mkdtempSync(join(tmpdir(), "guestd-ssh-"));
  stack.defer(() => rmSync(folder, { recursive: true, force: true }));
  const [port, hostKey] = [await freePort(), makeHostKey(join(folder, "key"))];
  const options = ["-F", "-E", "-s", "-p", `127.0.0.1:${port}`, "-r", join(folder, "key"), "-P", join(folder, "pid")];
  const server = spawn("/usr/sbin/dropbear", options, { stdio: "ignore" });
  stack.defer(async () => {
    const ended = once(server, "exit");
    if (server.kill()) await ended;
  });
  await until(() => isListening(port));
  const owned = stack.move();
  return { port, hostKey, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** Makes a key in this file. Returns what is public of it. */
export function makeHostKey(file: string): string {
  const said = execFileSync("dropbearkey", ["-t", "ed25519", "-f", file], { encoding: "utf8" });
  const [, key = ""] = /^(ssh-ed25519 \S+)/m.exec(said) ?? [];
  return key;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

async function isListening(port: number): Promise<boolean> {
  const socket = createConnection(port, "127.0.0.1");
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
