import { execFile, spawn } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

/** How a pack begins, in the channel that it comes in beside what the server says of its progress. */
const PACK = "\u0001PACK";
/** Of a pack that is held back: less than any pack has. */
const HELD_AFTER_BYTES = 10;

const execute = promisify(execFile);

/** Git of the test's own, with an author and no settings of this machine. */
export async function git(cwd: string, ...args: string[]): Promise<string> {
  const env = {
    PATH: process.env["PATH"],
    HOME: cwd,
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_AUTHOR_NAME: "Ada",
    GIT_AUTHOR_EMAIL: "ada@example.com",
    GIT_COMMITTER_NAME: "Ada",
    GIT_COMMITTER_EMAIL: "ada@example.com",
  };
  return (await execute("git", args, { cwd, env })).stdout.trim();
}

/** A repository of two branches, `main` with three commits and `side` with one more, and a bare clone of it. */
export async function seedRepository(folder: string, bare: string): Promise<void> {
  mkdirSync(folder);
  await git(folder, "init", "-q", "-b", "main");
  for (const number of [1, 2, 3]) {
    writeFileSync(join(folder, "count.txt"), `${number}\n`);
    await git(folder, "add", ".");
    await git(folder, "commit", "-qm", `commit ${number}`);
  }
  mkdirSync(join(folder, "docs"));
  writeFileSync(join(folder, "docs", "read.me"), "read me\n".repeat(5000));
  await git(folder, "checkout", "-qb", "side");
  await git(folder, "add", ".");
  await git(folder, "commit", "-qm", "on the side");
  await git(folder, "clone", "-q", "--bare", folder, bare);
  await git(bare, "symbolic-ref", "HEAD", "refs/heads/main");
  await git(bare, "config", "uploadpack.allowFilter", "true");
}

export interface GitServer extends AsyncDisposable {
  /** `http://127.0.0.1:port` */
  readonly url: string;
  readonly folder: string;
  /** Headers `Authorization` that came, with their hosts. */
  readonly authorizations: readonly { host: string; value: string }[];
  /** Emits `stalled` when a pack is held back; such packs go on with `resume`, and their connections break off with `cut`. */
  readonly events: EventEmitter;
  /** From now on packs are held back after their first bytes, behind the progress of what comes before them. */
  isStalling: boolean;
  /** A program in place of the one that packs, with that one's command line behind its own; clients are told what it says on its standard error. */
  packer: string | undefined;
  /** Everybody may read. */
  isPublic: boolean;
  /** Asked for this path, it sends clients there. */
  redirect: { from: string; to: string } | undefined;
  /** Clients are sent on only once they have said who they are. */
  asksBeforeRedirect: boolean;
}

export interface GitServerOptions {
  username: string;
  password: string;
}

/** Git's own smart HTTP server, for the bare repositories in a folder of its own, behind a name and a password. */
export async function startGitServer(options: GitServerOptions): Promise<GitServer> {
  const folder = mkdtempSync(join(tmpdir(), "guestd-git-server-"));
  const authorizations: { host: string; value: string }[] = [];
  const expected = `Basic ${Buffer.from(`${options.username}:${options.password}`).toString("base64")}`;
  const server = createServer((request, response) => {
    const { authorization, host = "" } = request.headers;
    if (authorization !== undefined) authorizations.push({ host, value: authorization });
    const path = request.url ?? "/";
    const isKnown = authorization === expected;
    if (state.redirect && path.startsWith(state.redirect.from) && (isKnown || !state.asksBeforeRedirect)) {
      response.writeHead(302, { Location: state.redirect.to + path.slice(state.redirect.from.length) }).end();
      return;
    }
    if (!isKnown && !state.isPublic) {
      response.writeHead(401, { "WWW-Authenticate": 'Basic realm="git"' }).end();
      return;
    }
    serve(state, options.username, request, response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const state = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    folder,
    authorizations,
    events: new EventEmitter(),
    isStalling: false,
    packer: undefined as GitServer["packer"],
    isPublic: false,
    redirect: undefined as GitServer["redirect"],
    asksBeforeRedirect: false,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
      rmSync(folder, { recursive: true, force: true });
    },
  };
  return state;
}

function serve(state: GitServer, user: string, request: IncomingMessage, response: ServerResponse): void {
  const url = new URL(request.url ?? "/", state.url);
  const isPack = url.pathname.endsWith("/git-upload-pack");
  const backend = spawn("git", ["http-backend"], {
    env: {
      PATH: process.env["PATH"],
      GIT_PROJECT_ROOT: state.folder,
      GIT_HTTP_EXPORT_ALL: "1",
      REMOTE_USER: user,
      REMOTE_ADDR: "127.0.0.1",
      PATH_INFO: decodeURIComponent(url.pathname),
      QUERY_STRING: url.search.slice(1),
      REQUEST_METHOD: request.method,
      CONTENT_TYPE: request.headers["content-type"] ?? "",
      HTTP_CONTENT_ENCODING: request.headers["content-encoding"] ?? "",
      GIT_PROTOCOL: [request.headers["git-protocol"] ?? ""].flat()[0],
      HTTP_GIT_PROTOCOL: [request.headers["git-protocol"] ?? ""].flat()[0],
      ...(state.packer !== undefined && {
        GIT_CONFIG_COUNT: "1",
        GIT_CONFIG_KEY_0: "uploadpack.packObjectsHook",
        GIT_CONFIG_VALUE_0: state.packer,
      }),
    },
    stdio: ["pipe", "pipe", "ignore"],
  });
  backend.stdin.on("error", () => undefined);
  request.pipe(backend.stdin);
  let isHeld = false;
  let before: Buffer = Buffer.alloc(0);
  const send = (bytes: Buffer): void => {
    // Git writes the channel by itself, so the pack may come with the next bytes.
    const found = Buffer.concat([before, bytes]).indexOf(PACK);
    const heldAt = found - before.length + HELD_AFTER_BYTES;
    before = bytes.subarray(-1);
    if (found < 0 || !state.isStalling || !isPack) return void response.write(bytes);
    response.write(bytes.subarray(0, heldAt));
    backend.stdout.pause();
    isHeld = true;
    state.events.once("resume", () => {
      isHeld = false;
      response.write(bytes.subarray(heldAt));
      if (backend.stdout.readableEnded) response.end();
      else backend.stdout.resume();
    });
    state.events.once("cut", () => response.destroy());
    state.events.emit("stalled");
  };
  let head = "";
  backend.stdout.on("data", (bytes: Buffer) => {
    if (response.headersSent) return send(bytes);
    head += bytes.toString("latin1");
    const end = head.indexOf("\r\n\r\n");
    if (end < 0) return;
    const lines = head.slice(0, end).split("\r\n");
    const headers = lines.map((line) => line.split(": ", 2) as [string, string]);
    const status = Number.parseInt(headers.find(([name]) => name === "Status")?.[1] ?? "200", 10);
    response.writeHead(status, Object.fromEntries(headers.filter(([name]) => name !== "Status")));
    response.flushHeaders();
    send(Buffer.from(head.slice(end + 4), "latin1"));
  });
  // Of a pipe that is paused too, when nothing is left in it.
  backend.stdout.on("end", () => isHeld || response.end());
}
