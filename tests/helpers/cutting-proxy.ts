import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import type { Random } from "./random.ts";

export interface CuttingProxy extends AsyncDisposable {
  readonly url: string;
  /** How many connections it has cut so far. */
  readonly cuts: number;
  /** Bytes of answers it has passed on. */
  readonly passedBytes: number;
}

export interface CuttingProxyOptions {
  /** Where the real server listens. */
  url: string;
  random: Random;
  cuts: number;
  /** The cuts are spread over so many bytes of answers, at random. */
  overBytes: number;
}

/**
 * Passes on TCP connections, and cuts the one that carries the byte where a cut is due: half of the time with a reset, which
 * also throws away what was on its way. Answers are counted over all connections, so that all cuts happen however the bytes
 * are spread over them.
 */
export async function startCuttingProxy(options: CuttingProxyOptions): Promise<CuttingProxy> {
  const { url, random, cuts, overBytes } = options;
  const places = Array.from({ length: cuts }, () => random.below(overBytes)).toSorted((a, b) => a - b);
  const target = new URL(url);
  const open = new Set<Socket>();
  let passedBytes = 0;
  let done = 0;

  const serve = (client: Socket): void => {
    const upstream = connect(Number(target.port), target.hostname);
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      open.add(socket);
      socket
        .on("error", () => undefined)
        .on("close", () => {
          open.delete(socket);
          other.destroySoon();
        });
    }
    client.pipe(upstream);
    upstream.on("data", (chunk: Buffer) => {
      const room = (places[done] ?? Infinity) - passedBytes;
      const passed = room < chunk.length ? chunk.subarray(0, room) : chunk;
      passedBytes += passed.length;
      if (!client.write(passed)) {
        upstream.pause();
        client.once("drain", () => upstream.resume());
      }
      if (passed === chunk) return;
      done += 1;
      upstream.removeAllListeners("data").destroy();
      if (random.chance(0.5)) client.resetAndDestroy();
      else client.end();
    });
  };

  const server = createServer(serve);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get cuts() {
      return done;
    },
    get passedBytes() {
      return passedBytes;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
