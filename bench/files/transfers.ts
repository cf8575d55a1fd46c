import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startBareFiles } from "../lib/bare-files.ts";
import { startBuiltDaemon } from "../lib/built-daemon.ts";
import { receiveFile, sendFile, type TransferRequest, type TransferResult } from "../lib/file-transfer.ts";
import { memoryOf } from "../lib/process-figures.ts";
import { report } from "../lib/report.ts";
import { interleave, median, pairedRatio } from "../lib/statistics.ts";

const ROUNDS = 5;
const BYTES = 1024 * 1024 * 1024;
const GZIP_BYTES = 128 * 1024 * 1024;

/** Large files in and out, beside the same by streams of Node in a process of their own. */
export async function benchTransfers(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "guestd-bench-files-"));
  try {
    await measure(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function measure(folder: string): Promise<void> {
  await using daemon = await startBuiltDaemon();
  await using bare = await startBareFiles();
  const [ours, theirs] = [join(folder, "ours.txt"), join(folder, "bare.txt")];
  const atOurs: TransferRequest = { port: daemon.port, path: ours };
  const atTheirs: TransferRequest = { port: bare.port, path: theirs };
  await sendFile(atOurs, BYTES / 16);
  const before = memoryOf(daemon.pid).rssBytes;
  let highest = before;
  const look = (result: TransferResult): TransferResult => {
    highest = Math.max(highest, memoryOf(daemon.pid).rssBytes);
    return result;
  };
  const fresh = async (request: TransferRequest): Promise<TransferResult> => {
    rmSync(request.path, { force: true });
    return look(await sendFile(request, BYTES));
  };
  const ups = await interleave(ROUNDS, { ours: () => fresh(atOurs), bare: () => fresh(atTheirs) });
  tell("upload of 1 GiB, new file", ups, { usual: "0.9-1.5 GB/s", target: { on: "ratio", atLeast: 1 } });
  const again = await interleave(3, {
    ours: async () => look(await sendFile(atOurs, BYTES)),
    bare: () => sendFile(atTheirs, BYTES),
  });
  tell("the same over an existing file", again, {});
  const downs = await interleave(ROUNDS, {
    ours: async () => look(await receiveFile(atOurs)),
    bare: () => receiveFile(atTheirs),
  });
  tell("download of 1 GiB", downs, { usual: "1.1-2.0 GB/s", target: { on: "ratio", atLeast: 1.2 } });
  report({
    what: "resident memory the daemon gains by all of it",
    unit: "MB",
    ours: (highest - before) / 1e6,
    target: { on: "ours", atMost: 40 },
  });
  await sendFile(atOurs, GZIP_BYTES);
  const zipped = await interleave(3, {
    ours: () => receiveFile({ ...atOurs, headers: { "Accept-Encoding": "gzip" } }),
  });
  report({
    what: "download of 128 MiB of text as gzip",
    unit: "MB/s",
    ours: median(zipped.ours.map(({ seconds }) => GZIP_BYTES / 1e6 / seconds)),
    usual: "36 MB/s",
    note: `bytes before compression; sent: ${((zipped.ours[0]?.bytes ?? 0) / 1e6).toFixed(1)} MB`,
  });
}

function tell(
  what: string,
  { ours, bare }: { ours: TransferResult[]; bare: TransferResult[] },
  more: { usual?: string; target?: { on: "ratio"; atLeast: number } },
): void {
  report({
    what,
    unit: "MB/s",
    ours: median(rates(ours)),
    bare: median(rates(bare)),
    ratio: pairedRatio(rates(ours), rates(bare)),
    ...more,
    note: `one connection, raw body; bare: node:http and pipeline; ${ours.length} rounds`,
  });
}

function rates(results: readonly TransferResult[]): number[] {
  return results.map(({ bytes, seconds }) => bytes / 1e6 / seconds);
}
