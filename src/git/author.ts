/** Who has written a commit, and has committed it too. */
export interface Author {
  name: string;
  email: string;
}

/** Variables that make git commit as `author`; as configured without one. */
export function committerVariables(author: Author | undefined): Record<string, string> {
  return author ? { GIT_COMMITTER_NAME: author.name, GIT_COMMITTER_EMAIL: author.email } : {};
}

/** Variables that make git write and commit as `author`. */
export function authorVariables(author: Author | undefined): Record<string, string> {
  const variables = author && { GIT_AUTHOR_NAME: author.name, GIT_AUTHOR_EMAIL: author.email };
  return { ...committerVariables(author), ...variables };
}
