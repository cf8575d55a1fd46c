import { once } from "node:events";
import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { Sandbox } from "e2b";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";
import { startBuiltDaemon } from "../../helpers/built-daemon.ts";
import { startControlPlane } from "../../helpers/control-plane.ts";
import { until } from "../../helpers/daemon.ts";
import { outside } from "../../http/port-servers.ts";

const TOKEN = "template-sdk-token-0123456789";
const SERVE = "exec python3 -u -m http.server --bind 127.0.0.1 --directory /usr/share/doc";

test("the start command is a command of the sandbox, which the SDK finds, reads, and ends for good", async () => {
  const argv = ["--kernels", "", "--start-cmd", "echo up; exec sleep 600", "--ready-cmd", "true"];
  await using daemon = await startBuiltDaemon({ argv: [...argv, "--start-restart", "never"] });
  const ready = async (): Promise<number> => (await fetch(`${daemon.url}/health?ready=1`)).status;
  await until(async () => (await ready()) === 204);
  const sandbox = await Sandbox.create({ debug: true, sandboxUrl: daemon.url });
  const found = (await sandbox.commands.list()).find(({ tag }) => tag === "start-cmd");
  expect(found?.args.at(-1)).toBe("echo up; exec sleep 600");
  const command = await sandbox.commands.connect(found?.pid ?? 0);
  expect(await command.kill()).toBe(true);
  await until(async () => (await ready()) === 503);
  expect((await sandbox.commands.list()).some(({ tag }) => tag === "start-cmd")).toBe(false);
});

test("getHost names a port where the program is, without a control plane", async () => {
  await using daemon = await startBuiltDaemon({ argv: ["--kernels", ""] });
  const sandbox = await Sandbox.create({ debug: true, sandboxUrl: daemon.url });
  const port = await startHttp(sandbox, daemon.url);
  expect(sandbox.getHost(port)).toBe(`localhost:${port}`);
  expect((await fetch(`http://${sandbox.getHost(port)}/`)).status).toBe(200);
});

test("behind a platform's proxy getHost reaches a program on loopback with --forward-ports", async () => {
  await using daemon = await startBuiltDaemon({ token: TOKEN, argv: ["--kernels", "", "--forward-ports"] });
  await using plane = await startControlPlane(daemon.url, TOKEN);
  const { apiKey, url: apiUrl } = plane;
  const sandbox = await Sandbox.create({ apiKey, apiUrl, sandboxUrl: daemon.url });
  const port = await startHttp(sandbox, daemon.url, TOKEN);
  const host = sandbox.getHost(port);
  expect(host).toMatch(new RegExp(`^${port}-${sandbox.sandboxId}\\.`));
  // As such proxies do it: the name says which port of which sandbox's address.
  const proxy = createServer((incoming, answer) => {
    const wanted = Number.parseInt(incoming.headers.host ?? "", 10);
    const onward = request({ host: outside, port: wanted, path: incoming.url }, (reply) => reply.pipe(answer));
    onward.on("error", () => answer.writeHead(502).end()).end();
  });
  await once(proxy.listen(0, "127.0.0.1"), "listening");
  const ask = async (): Promise<string> => {
    const asking = request({
      port: (proxy.address() as AddressInfo).port,
      headers: { Host: host },
      agent: false,
    }).end();
    const [reply] = (await once(asking, "response")) as Parameters<typeof text>;
    return text(reply);
  };
  await until(async () => (await ask()).includes("Directory listing"));
  proxy.close();
});

/** A web server on loopback as a command of the sandbox; resolves with its port, which the daemon's list tells. */
async function startHttp(sandbox: Sandbox, url: string, token = ""): Promise<number> {
  const { pid } = await sandbox.commands.run(`${SERVE} 0`, { background: true });
  const headers = { "X-Access-Token": token };
  interface Listed {
    port: number;
    pid?: number;
  }
  let listed: Listed | undefined;
  await until(async () => {
    const { ports } = (await (await fetch(`${url}/v1/ports`, { headers })).json()) as { ports: Listed[] };
    listed = ports.find((port) => port.pid === pid);
    return listed !== undefined;
  });
  return listed?.port ?? 0;
}
