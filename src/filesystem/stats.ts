import { type BigIntStats, constants, lstat as lstatCallback, type PathLike } from "node:fs";

const { S_IFMT, S_IFREG, S_IFDIR, S_IFLNK } = constants;

/** lstat with all digits. The callback interface takes a third of the time of the promised one. */
export function lstat(path: PathLike): Promise<BigIntStats> {
  const { promise, resolve, reject } = Promise.withResolvers<BigIntStats>();
  lstatCallback(path, { bigint: true }, (error, stats) => (error ? reject(error) : resolve(stats)));
  return promise;
}

/** {@link lstat} of many paths at once, with one promise for all of them; failures are among the results. */
export function lstatAll(paths: readonly PathLike[]): Promise<(BigIntStats | Error)[]> {
  const { promise, resolve } = Promise.withResolvers<(BigIntStats | Error)[]>();
  const results: (BigIntStats | Error)[] = Array.from({ length: paths.length });
  let pending = paths.length;
  if (pending === 0) resolve(results);
  for (const [index, path] of paths.entries()) {
    lstatCallback(path, { bigint: true }, (error, stats) => {
      results[index] = error ?? stats;
      pending -= 1;
      if (pending === 0) resolve(results);
    });
  }
  return promise;
}

/** The kind of a file among the bits of its mode: `S_IFREG` and so on. */
export function kindOf(stats: { mode: bigint }): number {
  return Number(stats.mode) & S_IFMT;
}

export function isRegular(stats: { mode: bigint }): boolean {
  return kindOf(stats) === S_IFREG;
}

export function isDirectory(stats: { mode: bigint }): boolean {
  return kindOf(stats) === S_IFDIR;
}

export function isLink(stats: { mode: bigint }): boolean {
  return kindOf(stats) === S_IFLNK;
}
