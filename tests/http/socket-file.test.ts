import { once } from "node:events";
import {
  existsSync,
  linkSync,
  mkdtempDisposableSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { type IncomingMessage, request } from "node:http";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";
import { readConfig } from "../../src/config.ts";
import { startDaemon } from "../../src/daemon.ts";
import { checkHealth } from "../../src/health.ts";
import { createLogger } from "../../src/log.ts";
import { REPOSITORY, startTestDaemon } from "../helpers/daemon.ts";

interface Asked {
  path?: string;
  body?: string;
  headers?: Record<string, string>;
}

async function ask(
  socketPath: string,
  { path = "/v1/run", body, headers = {} }: Asked,
): Promise<{ status: number | undefined; text: string }> {
  const asking = request({ socketPath, path, method: body === undefined ? "GET" : "POST", headers }).end(body);
  const [response] = (await once(asking, "response")) as [IncomingMessage];
  return { status: response.statusCode, text: await text(response) };
}

test("the API is served on a socket file, to its owner only and under any host name", async () => {
  using folder = mkdtempDisposableSync(join(tmpdir(), "guestd-socket-"));
  const path = join(folder.path, "guestd.sock");
  {
    await using daemon = await startTestDaemon({ argv: ["--listen", `unix:${path}`] });
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const headers = { Host: "sandbox.example" };
    expect(await ask(path, { body: "echo hello", headers })).toEqual({ status: 200, text: "hello\n" });
    expect((await daemon.fetch("/health")).status).toBe(204);
  }
  expect(existsSync(path)).toBe(false);
});

test("its folder is made, and its group may connect where that was said", async () => {
  using folder = mkdtempDisposableSync(join(tmpdir(), "guestd-socket-"));
  const path = join(folder.path, "run", "guestd", "guestd.sock");
  await using _daemon = await startTestDaemon({ argv: ["--listen", `unix:${path}`, "--listen-mode", "660"] });
  expect(statSync(path).mode & 0o777).toBe(0o660);
  expect((await ask(path, { body: "echo hello" })).text).toBe("hello\n");
});

test("it may be all there is: then guestd health asks there", async () => {
  using folder = mkdtempDisposableSync(join(tmpdir(), "guestd-socket-"));
  const path = join(folder.path, "guestd.sock");
  const argv = ["--port", "off", "--interpreter-port", "off", "--listen", `unix:${path}`];
  const config = readConfig({ root: REPOSITORY, argv: [...argv, "--kernels="], env: {}, isTerminal: false });
  const lines: string[] = [];
  const log = createLogger({ level: "info", format: "text", write: (line) => void lines.push(line) });
  {
    await using daemon = await startDaemon(config, log);
    expect(daemon.ports).toEqual([]);
    expect(lines.join("")).toMatch(new RegExp(`listening.* sockets="?unix:${path}`));
    expect(await checkHealth(config)).toEqual({ text: "ok", isHealthy: true });
  }
  const { text: why, isHealthy } = await checkHealth(config);
  expect([why, isHealthy]).toEqual([expect.stringMatching(`nothing answers on unix:${path}: .*ENOENT`), false]);
});

test("a token is asked for there as well", async () => {
  using folder = mkdtempDisposableSync(join(tmpdir(), "guestd-socket-"));
  const path = join(folder.path, "guestd.sock");
  const token = "socket-token-0123456789";
  await using _daemon = await startTestDaemon({ argv: ["--listen", `unix:${path}`], env: { GUESTD_TOKEN: token } });
  expect((await ask(path, { body: "echo no" })).status).toBe(401);
  expect((await ask(path, { body: "echo yes", headers: { "X-Access-Token": token } })).text).toBe("yes\n");
});

test("what an ended daemon has left is replaced; what is in use, or no socket, is left alone", async () => {
  using folder = mkdtempDisposableSync(join(tmpdir(), "guestd-socket-"));
  const path = join(folder.path, "guestd.sock");
  const argv = ["--listen", `unix:${path}`];
  await leaveSocket(path);
  {
    await using _first = await startTestDaemon({ argv });
    await expect(startTestDaemon({ argv })).rejects.toThrow(/another program serves there/);
    expect((await ask(path, { path: "/health" })).status).toBe(204);
  }
  writeFileSync(path, "precious");
  await expect(startTestDaemon({ argv })).rejects.toThrow(/no socket/);
  expect(readFileSync(path, "utf8")).toBe("precious");
});

test.each(["/run/guestd.sock", "unix:guestd.sock", "tcp://127.0.0.1:1"])("%s is no address of one", async (address) => {
  await expect(startTestDaemon({ argv: ["--listen", address] })).rejects.toThrow(/--listen: must be unix: and an/);
});

/** As a daemon that was killed leaves it. */
async function leaveSocket(path: string): Promise<void> {
  const server = createServer().listen(path);
  await once(server, "listening");
  // A hard link keeps the file when the server removes its name.
  linkSync(path, `${path}.kept`);
  server.close();
  await once(server, "close");
  renameSync(`${path}.kept`, path);
}
