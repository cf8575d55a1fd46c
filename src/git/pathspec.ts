/** A file's name for git, which would find patterns in it otherwise: `[id].ts` is also `i.ts`. */
export function literal(name: string): string {
  return `:(literal)${name}`;
}
