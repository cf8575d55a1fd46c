import { randomUUID } from "node:crypto";
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import { startTestDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { filesWith, formsOf, processesWith } from "../helpers/secret-search.ts";
import { type GitServer, seedRepository, startGitServer } from "../helpers/git-server.ts";

/** A name and a password that nobody else would have, this file and other tests included. */
export const SECRET = { username: "ada", password: `s3cret/pass+word %&${randomUUID()}` };

/** A daemon, a server with a repository `app.git` of three commits, and a folder of the account `user`. */
export interface GitPlace extends AsyncDisposable {
  readonly daemon: TestDaemon;
  readonly server: GitServer;
  readonly folder: string;
  /** What the daemon keeps. */
  readonly stateDir: string;
  /** A socket file that it listens on as well. */
  readonly socketPath: string;
  /** Address of a repository of the server. */
  url(name?: string): string;
}

export async function startGitPlace(): Promise<GitPlace> {
  await using stack = new AsyncDisposableStack();
  const root = mkdtempSync(join(tmpdir(), "guestd-git-"));
  stack.defer(() => rmSync(root, { recursive: true, force: true }));
  chmodSync(root, 0o755);
  const [folder, stateDir, socketPath] = [join(root, "work"), join(root, "state"), join(root, "guestd.sock")];
  mkdirSync(folder);
  chmodSync(folder, 0o777);
  const server = stack.use(await startGitServer(SECRET));
  await seedRepository(join(root, "seed"), join(server.folder, "app.git"));
  const daemon = stack.use(
    await startTestDaemon({ argv: ["--state-dir", stateDir, "--listen", `unix:${socketPath}`] }),
  );
  const owned = stack.move();
  return {
    daemon,
    server,
    folder,
    stateDir,
    socketPath,
    url: (name = "app.git") => `${server.url}/${name}`,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Wherever a secret could be: all that test and daemon have written, other processes, the log. */
export function findSecret({ folder, stateDir, server, daemon }: GitPlace, secret = SECRET): string[] {
  const forms = formsOf(secret);
  const log = JSON.stringify(daemon.log);
  return [
    ...filesWith(forms, [folder, stateDir, server.folder, "/home/user"]),
    ...processesWith(forms),
    ...forms.filter((form) => log.includes(form.toString())).map(() => "log"),
  ];
}

/** Variables of all programs, from now on. */
export async function setVariables(place: GitPlace, envVars: Record<string, string>): Promise<void> {
  const init = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ envVars }) };
  expect((await place.daemon.fetch("/init", init)).status).toBe(204);
}

export interface Answer {
  status: number;
  body: Record<string, unknown>;
}

/** Posts JSON, or gets when there is none. */
export async function ask(place: GitPlace, path: string, body?: object, init: RequestInit = {}): Promise<Answer> {
  const request = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  const response = await place.daemon.fetch(`/v1/git/${path}`, { ...(body && request), ...init });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}
