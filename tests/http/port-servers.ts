import { once } from "node:events";
import { connect } from "node:net";
import { networkInterfaces } from "node:os";
import { text } from "node:stream/consumers";
import { until } from "../helpers/daemon.ts";

/**
 * Listens on a port of the given address (0: any) and prints it; sends back in capitals what each client sends, behind the name
 * in brackets if there is one. With `reuse` others may listen beside it. Stops listening, but goes on, at SIGUSR1.
 */
const SERVER = `
import signal, socket, sys, threading
address, port, name, reuse = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4] == "reuse"
server = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
if reuse: server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
if ":" in address: server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if "::ffff:" in address else 1)
server.bind((address, port))
server.listen(64)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
print(server.getsockname()[1], flush=True)
def serve(client):
    if name: client.sendall(b"[" + name.encode() + b"]")
    data = b""
    while part := client.recv(65536): data += part
    client.sendall(data.upper()); client.close()
def accept():
    while True:
        try: client = server.accept()[0]
        except OSError: return
        threading.Thread(target=serve, args=[client], daemon=True).start()
threading.Thread(target=accept, daemon=True).start()
signal.sigwait([signal.SIGUSR1])
server.shutdown(socket.SHUT_RDWR); server.close()
signal.pause()
`;

/** The HTTP API of a daemon. */
interface Api {
  url: string;
}

export interface ListedPort {
  port: number;
  address: string;
  pid?: number;
  command?: string;
  run?: string;
  context?: string;
}

export interface ServerOptions {
  address?: string;
  port?: number;
  /** What it says first to each client. */
  name?: string;
  isShared?: boolean;
  /** The shell line around the server. */
  wrap?: string;
}

/** A run that listens; disposing it ends it. */
export interface ServerRun extends AsyncDisposable {
  id: string;
  port: number;
  /** No longer listens, but serves whom it has accepted. */
  stopListening(): Promise<void>;
}

/** The command line of such a server. */
export function serverCommand({
  address = "127.0.0.1",
  port = 0,
  name = "",
  isShared = false,
}: ServerOptions): string[] {
  return ["/usr/bin/python3", "-c", SERVER, address, `${port}`, name, isShared ? "reuse" : "alone"];
}

/** Starts a server as a run and waits until it listens. */
export async function startServer({ url }: Api, options: ServerOptions = {}): Promise<ServerRun> {
  const { wrap = 'exec "$@"' } = options;
  const body = { cmd: "sh", args: ["-c", wrap, "sh", ...serverCommand(options)], background: true };
  const post = (path: string, sent: object): Promise<Response> =>
    fetch(`${url}${path}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(sent),
    });
  const { id } = (await (await post("/v1/run", body)).json()) as { id: string };
  let output = "";
  await until(async () => /\d\n/.test((output = await (await fetch(`${url}/v1/runs/${id}/log`)).text())), 20_000);
  return {
    id,
    port: Number(output),
    stopListening: async () => void (await post(`/v1/runs/${id}/signal`, { signal: "SIGUSR1" })),
    [Symbol.asyncDispose]: async () => void (await fetch(`${url}/v1/runs/${id}`, { method: "DELETE" })),
  };
}

export async function listedPorts({ url }: Api): Promise<ListedPort[]> {
  return ((await (await fetch(`${url}/v1/ports`)).json()) as { ports: ListedPort[] }).ports;
}

const outer = Object.values(networkInterfaces())
  .flatMap((addresses) => addresses ?? [])
  .filter(({ internal, address }) => !internal && !address.startsWith("fe80"));
/** Addresses of this machine that others could reach. */
export const outside = outer.find(({ family }) => family === "IPv4")?.address;
export const outsideIPv6 = outer.find(({ family }) => family === "IPv6")?.address;

export async function canConnect(port: number, host = outside): Promise<boolean> {
  const socket = connect({ port, host });
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

/** What comes back for `sent` and the end of it; nothing when the connection breaks off. */
export async function ask(port: number, sent: string, host = outside): Promise<string> {
  const socket = connect({ port, host, allowHalfOpen: true });
  socket.end(sent);
  return text(socket).catch(() => "");
}
