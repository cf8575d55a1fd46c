import { Notifier } from "../lib/notifier.ts";
import type { GitProgress } from "./progress.ts";

/** How a call is getting on, and at its end what has come of it. */
export type ProgressEvent<T> = { type: "progress"; progress: GitProgress } | { type: "result"; result: T };

/**
 * Progress as it is when the reader has taken what came before, the last of it in any case; then the result. The call does not wait
 * for the reader, and goes on when he stops reading: that is for its signal.
 * @throws what `call` rejects with
 */
export async function* progressEvents<T>(
  call: (onProgress: (progress: GitProgress) => void) => Promise<T>,
): AsyncGenerator<ProgressEvent<T>> {
  const changed = new Notifier();
  const state: { news?: GitProgress | undefined; isOver: boolean } = { isOver: false };
  const onProgress = (progress: GitProgress): void => {
    state.news = progress;
    changed.notify();
  };
  const result = call(onProgress).finally(() => {
    state.isOver = true;
    changed.notify();
  });
  result.catch(() => undefined); // it is awaited below
  while (!state.isOver || state.news) {
    const { news } = state;
    state.news = undefined;
    if (news) yield { type: "progress", progress: news };
    else await changed.wait();
  }
  yield { type: "result", result: await result };
}
