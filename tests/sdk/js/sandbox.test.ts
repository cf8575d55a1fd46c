import { FileNotFoundError, Sandbox } from "e2b";
import { describe, expect, test } from "vitest";
import { type SdkOptions, SDK_PLACES } from "../../helpers/sdk-place.ts";
import { onSandbox } from "./sandbox.ts";

const SERVER = `import http.server
server = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
print(server.server_port, flush=True)
server.serve_forever()`;

describe.each(SDK_PLACES)("a sandbox %s", (_name, start) => {
  let sandbox: Sandbox;
  let options: SdkOptions;
  onSandbox(start, (place) => {
    ({ sandbox, options } = place);
  });
  const isDebug = (): boolean => "debug" in options;

  test("is running", async () => {
    expect(await sandbox.isRunning()).toBe(true);
  });

  test("has names for its ports: those of this machine, or those that the control plane's proxy has to know", async () => {
    if (!isDebug()) return expect(sandbox.getHost(3000)).toBe(`3000-${sandbox.sandboxId}.${sandbox.sandboxDomain}`);
    const port = Promise.withResolvers<string>();
    const server = await sandbox.commands.run(`python3 -uc '${SERVER}'`, {
      background: true,
      onStdout: (text) => port.resolve(text.trim()),
    });
    const host = sandbox.getHost(Number(await port.promise));
    expect(host).toBe(`localhost:${await port.promise}`);
    // A server that knows no method answers so; it answers.
    expect((await fetch(`http://${host}/`)).status).toBe(501);
    expect(await server.kill()).toBe(true);
  });

  test("tells of itself, in the list too", async () => {
    if (isDebug()) return;
    const info = await sandbox.getInfo();
    expect(info).toMatchObject({ sandboxId: sandbox.sandboxId, state: "running", envdVersion: "0.6.13" });
    expect(await Sandbox.getInfo(sandbox.sandboxId, options)).toEqual(info);
    expect((await Sandbox.list(options).nextItems()).map(({ sandboxId }) => sandboxId)).toEqual([sandbox.sandboxId]);
  });

  test("has its end where the control plane sets it", async () => {
    await sandbox.setTimeout(120_000);
    if (isDebug()) return;
    const { endAt } = await sandbox.getInfo();
    expect(Math.abs(endAt.getTime() - Date.now() - 120_000)).toBeLessThan(30_000);
  });

  test("has the daemon's metrics", async () => {
    const metrics = await sandbox.getMetrics();
    if (isDebug()) return expect(metrics).toEqual([]);
    const [{ timestamp, ...figures }] = metrics as [(typeof metrics)[number]];
    expect(Math.abs(timestamp.getTime() - Date.now())).toBeLessThan(60_000);
    expect(figures.cpuCount).toBe(Number((await sandbox.commands.run("nproc")).stdout));
    expect(figures.memUsed).toBeGreaterThan(0);
    expect(figures.memUsed).toBeLessThan(figures.memTotal);
    expect(figures.diskUsed).toBeLessThan(figures.diskTotal);
  });

  test("has an address for an MCP gateway, and no token as long as none is installed", async () => {
    expect(sandbox.getMcpUrl()).toBe(`https://${sandbox.getHost(50005)}/mcp`);
    await expect(sandbox.getMcpToken()).rejects.toBeInstanceOf(FileNotFoundError);
  });
});
