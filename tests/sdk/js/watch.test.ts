import { FileNotFoundError, type FilesystemEvent, FilesystemEventType, InvalidArgumentError, type Sandbox } from "e2b";
import { describe, expect, test } from "vitest";
import { SDK_PLACES } from "../../helpers/sdk-place.ts";
import { onSandbox } from "./sandbox.ts";

/** Collects events; `until` resolves with all so far once there is one that fits. */
function collector(): { onEvent: (event: FilesystemEvent) => void; until: (text: string) => Promise<string[]> } {
  const texts: string[] = [];
  const waiting: { text: string; resolve: (texts: string[]) => void }[] = [];
  return {
    onEvent: ({ type, name }) => {
      texts.push(`${type} ${name}`);
      for (const { text, resolve } of waiting) if (texts.includes(text)) resolve(texts);
    },
    until: (text) => {
      const { promise, resolve } = Promise.withResolvers<string[]>();
      if (texts.includes(text)) resolve(texts);
      waiting.push({ text, resolve });
      return promise;
    },
  };
}

describe.each(SDK_PLACES)("watchDir %s", (_name, start) => {
  let sandbox: Sandbox;
  let folder: string;
  onSandbox(start, (place) => {
    ({ sandbox, folder } = place);
  });

  test("calls back for what is written, renamed and removed", async () => {
    const { files } = sandbox;
    const { onEvent, until } = collector();
    const handle = await files.watchDir(folder, onEvent);
    await files.write(`${folder}/new`, "content");
    expect(await until("write new")).toEqual(["create new", "chmod new", "write new"]);
    await files.rename(`${folder}/new`, `${folder}/old`);
    await files.remove(`${folder}/old`);
    expect((await until("remove old")).slice(3)).toEqual(["rename new", "create old", "remove old"]);
    await handle.stop();
  });

  test("sees what is in new directories, with entries, where that is asked for", async () => {
    const entries = new Map<string, string | undefined>();
    const { onEvent, until } = collector();
    const handle = await sandbox.files.watchDir(
      folder,
      (event) => {
        if (event.type === FilesystemEventType.WRITE) entries.set(event.name, event.entry?.path);
        onEvent(event);
      },
      { recursive: true, includeEntry: true },
    );
    await sandbox.files.makeDir(`${folder}/a`);
    await until("create a");
    await sandbox.files.write(`${folder}/a/b`, "x");
    await until("write a/b");
    expect([...entries]).toEqual([["a/b", `${folder}/a/b`]]);
    await handle.stop();
  });

  test("calls onExit when it is stopped, and when its time is over", async () => {
    const stopped = Promise.withResolvers<unknown>();
    const handle = await sandbox.files.watchDir(folder, () => undefined, { onExit: stopped.resolve });
    await handle.stop();
    await stopped.promise;
    const over = Promise.withResolvers<Error | undefined>();
    await sandbox.files.watchDir(folder, () => undefined, { timeoutMs: 4000, onExit: over.resolve });
    expect(await over.promise).toBeInstanceOf(Error);
  });

  test("throws for what is missing and what is no directory", async () => {
    const { files } = sandbox;
    await files.write(`${folder}/file`, "");
    await expect(files.watchDir(`${folder}/missing`, () => undefined)).rejects.toThrow(FileNotFoundError);
    await expect(files.watchDir(`${folder}/file`, () => undefined)).rejects.toThrow(InvalidArgumentError);
  });
});
