import { expect, test } from "vitest";
import type { GitProgress } from "../../../src/git/progress.ts";
import { progressEvents } from "../../../src/git/progress-events.ts";

const at = (done: number) => ({ stage: "receiving objects", percent: done, done, total: 100 });

test("a reader who is slower than the call has the last news, and then the result", async () => {
  const ending = Promise.withResolvers<string>();
  const listeners: ((progress: GitProgress) => void)[] = [];
  const events = progressEvents((onProgress) => {
    listeners.push(onProgress);
    return ending.promise;
  });
  const first = events.next();
  const tell = (done: number): void => listeners.forEach((listener) => listener(at(done)));
  tell(1);
  expect(await first).toMatchObject({ value: { type: "progress", progress: at(1) } });
  for (const done of [2, 50, 100]) tell(done);
  ending.resolve("cloned");
  await ending.promise;
  const rest: object[] = [];
  for await (const event of events) rest.push(event);
  expect(rest).toEqual([
    { type: "progress", progress: at(100) },
    { type: "result", result: "cloned" },
  ]);
});

test("a call that fails late fails behind its last news", async () => {
  const ending = Promise.withResolvers<string>();
  const events = progressEvents((onProgress) => {
    onProgress(at(1));
    return ending.promise;
  });
  ending.reject(new Error("broken off"));
  expect(await events.next()).toMatchObject({ value: { type: "progress", progress: at(1) } });
  await expect(events.next()).rejects.toThrow("broken off");
});

test("a call that nobody reads of goes on, and its failure is nobody's", async () => {
  const ending = Promise.withResolvers<string>();
  const events = progressEvents((onProgress) => {
    onProgress(at(1));
    return ending.promise;
  });
  await events.next();
  await events.return(undefined);
  ending.reject(new Error("broken off"));
  await expect(ending.promise).rejects.toThrow();
});
