/** Somewhere code runs in sessions that keep their state: guestd, or what it is compared with. */
export interface CodePlace extends AsyncDisposable {
  /** All its processes are this one and its descendants. */
  readonly pid: number;
  /** A new session that is ready. */
  open(language?: string): Promise<CodeSession>;
}

/** One session; its cells run one at a time. Disposing it ends it. */
export interface CodeSession extends AsyncDisposable {
  /** Runs a cell and resolves with what was said of it when all of it is there. Throws what the cell did. */
  run(code: string): Promise<string>;
}

/** How long `count` runs of a cell take, one after the other, in ms. */
export async function timeCells(session: CodeSession, code: string, count: number): Promise<number[]> {
  const times: number[] = [];
  for (let index = 0; index < count; index += 1) times.push(await timed(() => session.run(code)));
  return times;
}

/** How long something takes, in ms. */
export async function timed(action: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await action();
  return performance.now() - began;
}

/** From asking for a session to the result of its first cell, in ms; the session is ended afterwards. */
export async function timeFirstResult(place: CodePlace, code: string, language?: string): Promise<number> {
  const began = performance.now();
  await using session = await place.open(language);
  await session.run(code);
  return performance.now() - began;
}
