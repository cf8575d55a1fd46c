/** Sets variables of the process, or takes them away; returns what undoes it. */
export function changeEnvironment(variables: ReadonlyMap<string, string | undefined>): () => void {
  const previous = new Map([...variables.keys()].map((name) => [name, process.env[name]]));
  apply(variables);
  return () => apply(previous);
}

function apply(variables: ReadonlyMap<string, string | undefined>): void {
  for (const [name, value] of variables) {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  }
}

/** Enters `folder`. Returns why it could not. */
export function enterFolder(folder: string): string | undefined {
  try {
    process.chdir(folder);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
