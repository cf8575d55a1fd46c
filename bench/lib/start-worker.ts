// A process that has many programs started at once, so that whoever measures meanwhile is not busy with that.
import { Connection } from "./connection.ts";
import { startProgram } from "./program-stream.ts";

/** What to do: `count` starts of /bin/true on the daemon at `port`, each on a connection of its own. */
export interface StartOrder {
  port: number;
  count: number;
}

async function startAll({ port, count }: StartOrder): Promise<void> {
  using pool = new DisposableStack();
  const connections = await Promise.all(Array.from({ length: count }, () => Connection.open(port)));
  for (const connection of connections) pool.use(connection);
  process.send?.("begin");
  const endings = await Promise.all(
    connections.map((connection) => startProgram(connection, { process: { cmd: "/bin/true" } }).ended),
  );
  const failed = endings.filter(({ exitCode }) => exitCode !== 0).length;
  process.send?.(failed === 0 ? "end" : `${failed} of ${count} starts failed`);
}

process.on("message", (order: StartOrder) => void startAll(order));
