import { expect, test } from "vitest";
import { isRunning } from "../../src/host/process-tree.ts";
import { startBuiltDaemon } from "../helpers/built-daemon.ts";
import { CodeSession, descendantsWith, parentsOf } from "../helpers/code-contexts.ts";
import { until } from "../helpers/daemon.ts";
import { CellStream } from "../unit/kernels/cell-client.ts";

const pidOf = async (session: CodeSession): Promise<number> => Number(await session.value("import os\nos.getpid()"));

test("a killed daemon takes forked kernels with it, idle and busy, also those whose fork server had died before", async () => {
  const argv = ["--kernels", "python", "--preload", "no_such_module"];
  await using daemon = await startBuiltDaemon({ argv });
  const open = (): Promise<CodeSession> => CodeSession.open(daemon.interpreterUrl, { language: "python" });
  const orphan = await open();
  const kernels = [await pidOf(orphan)];
  const [server = 0] = descendantsWith(daemon.pid, "--fork-server");
  expect(parentsOf(kernels[0] ?? 0).server).toBe(server);
  process.kill(server, "SIGKILL");
  await until(() => daemon.log.filter(({ event }) => event === "fork_server.ready").length === 2, 60_000);
  kernels.push(await pidOf(await open()));
  const code = "print('up', flush=True)\nwhile True: pass";
  const busy = await CellStream.open(daemon.interpreterUrl, { context_id: orphan.id, code });
  await busy.until(({ type }) => type === "stdout");
  const all = [...kernels, ...kernels.map((pid) => parentsOf(pid).shim)];
  expect(all.every(isRunning)).toBe(true);
  process.kill(daemon.pid, "SIGKILL");
  await until(() => !all.some(isRunning));
  busy.destroy();
});
