import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { describe, expect, test } from "vitest";
import { REPOSITORY, until } from "../helpers/daemon.ts";
import { serverCommand } from "./port-servers.ts";

const OUTSIDE = "10.9.9.1";
const LATER = "10.9.9.2";
const INTERFACES = `ip link set lo up; ip link add v0 type veth peer name v1; ip link set v0 up; ip link set v1 up; ip addr add ${OUTSIDE}/24 dev v0`;
/** Sends `hello` to the address and port, and prints what comes back. */
const CLIENT = `
import socket, sys
client = socket.create_connection((sys.argv[1], int(sys.argv[2])))
client.sendall(b"hello"); client.shutdown(socket.SHUT_WR)
print(client.recv(100).decode(), end="")
`;

/** A daemon in a network of its own, where nobody else listens; it is asked through a socket file. */
interface Alone extends AsyncDisposable {
  readonly pid: number;
  /** Runs a program in that network, and gives what it prints. */
  inside(...command: string[]): string;
  /** The ports and addresses of all log lines of that event. */
  logged(event: string): { port?: number; host?: string }[];
  /** Lets the daemon start a server on that port. */
  startOwn(port: number): Promise<void>;
  /** Starts one that is none of the daemon's. */
  startForeign(port: number): Promise<void>;
}

async function startAlone(...flags: string[]): Promise<Alone> {
  await using stack = new AsyncDisposableStack();
  const folder = mkdtempSync(join(tmpdir(), "guestd-network-"));
  stack.defer(() => rmSync(folder, { recursive: true }));
  const [log, socket] = [join(folder, "log"), join(folder, "socket")];
  const main = [
    join(REPOSITORY, "dist", "main.js"),
    "--port",
    "0",
    "--interpreter-port",
    "off",
    "--log-format",
    "json",
  ];
  const argv = [process.execPath, ...main, "--kernels", "", "--listen", `unix:${socket}`, ...flags];
  const daemon = spawn("unshare", ["--net", "sh", "-c", `${INTERFACES}; exec "$@" 2>${log}`, "sh", ...argv]);
  stack.defer(() => end(daemon, "SIGTERM"));
  const logged = (event: string): object[] =>
    readFileSync(log, { encoding: "utf8", flag: "a+" })
      .split("\n")
      .flatMap((line) => (line.includes(`"event":"${event}"`) ? [JSON.parse(line) as object] : []));
  await until(() => logged("listening").length > 0, 20_000);
  const inside = ["nsenter", "--net", "--target", `${daemon.pid}`] as const;
  const run = (...command: string[]): string => execFileSync(inside[0], [...inside.slice(1), ...command]).toString();
  const listens = (port: number): Promise<void> =>
    until(() => run("ss", "-Hltn", "sport", "=", `${port}`).includes("127.0.0.1"));
  const owned = stack.move();
  return {
    pid: daemon.pid ?? 0,
    inside: run,
    logged,
    async startOwn(port) {
      const [cmd, ...args] = serverCommand({ port });
      await post(socket, "/v1/run", { cmd, args, background: true });
      await listens(port);
    },
    async startForeign(port) {
      const server = spawn(inside[0], [...inside.slice(1), ...serverCommand({ port })]);
      owned.defer(() => end(server, "SIGKILL"));
      await listens(port);
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function end(child: ReturnType<typeof spawn>, signal: NodeJS.Signals): Promise<void> {
  child.kill(signal);
  await once(child, "exit");
}

async function post(socketPath: string, path: string, body: object): Promise<string> {
  const headers = { "Content-Type": "application/json" };
  const asking = request({ socketPath, path, method: "POST", headers }).end(JSON.stringify(body));
  const [response] = (await once(asking, "response")) as Parameters<typeof text>;
  return text(response);
}

describe.runIf(process.geteuid?.() === 0)("in a network of its own", () => {
  test("an address that comes later is forwarded from, until it goes", async () => {
    await using daemon = await startAlone("--forward-ports");
    await daemon.startOwn(7777);
    await until(() => daemon.logged("forward.opened").length === 1);
    daemon.inside("ip", "addr", "add", `${LATER}/24`, "dev", "v0");
    await until(() => daemon.logged("forward.opened").some(({ host }) => host === LATER));
    expect(daemon.inside("python3", "-c", CLIENT, LATER, "7777")).toBe("HELLO");
    daemon.inside("ip", "addr", "del", `${LATER}/24`, "dev", "v0");
    await until(() => !daemon.inside("ss", "-Hltn", "sport", "=", "7777").includes(LATER));
    expect(daemon.inside("python3", "-c", CLIENT, OUTSIDE, "7777")).toBe("HELLO");
  });

  test("what guestd has not started is left alone by --forward-ports", async () => {
    await using daemon = await startAlone("--forward-ports");
    await daemon.startForeign(7771);
    await daemon.startOwn(7772);
    await until(() => daemon.logged("forward.opened").length > 0);
    expect(daemon.logged("forward.opened")).toMatchObject([{ port: 7772, host: OUTSIDE }]);
    expect(daemon.inside("ss", "-Hltn", "sport", "=", "7771")).not.toContain(OUTSIDE);
  });

  test("everything is forwarded by --forward-all-ports, also after looks that failed", async () => {
    await using daemon = await startAlone("--forward-all-ports");
    await daemon.startForeign(7771);
    await until(() => daemon.logged("forward.opened").length > 0);
    const limit = (soft: number): string => execFileSync("prlimit", ["-p", `${daemon.pid}`, `-n${soft}:`]).toString();
    limit(3); // not one descriptor more
    await daemon.startForeign(7772);
    await until(() => daemon.logged("ports.look_failed").length > 0);
    await until(() => daemon.logged("forward.addresses_unknown").length > 0);
    limit(1024);
    await until(() => daemon.logged("forward.opened").some(({ port }) => port === 7772));
    expect(daemon.inside("python3", "-c", CLIENT, OUTSIDE, "7772")).toBe("HELLO");
    expect(daemon.logged("ports.look_failed")).toHaveLength(1);
    expect(daemon.logged("bug")).toEqual([]);
  });
});
