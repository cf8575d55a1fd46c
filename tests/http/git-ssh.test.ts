import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { makeHostKey, type SshServer, startSshServer } from "../helpers/ssh-server.ts";
import { ask, type GitPlace, setVariables, startGitPlace } from "./git-place.ts";

let place: GitPlace;
let server: SshServer;
let knownHosts = "";

beforeAll(async () => {
  place = await startGitPlace();
  server = await startSshServer();
  knownHosts = join(place.folder, "known_hosts");
  // The real program, with no file of this machine's users.
  const options = [`UserKnownHostsFile=${knownHosts}`, "GlobalKnownHostsFile=/dev/null", "IdentityFile=/dev/null"];
  const command = ["ssh", "-F", "/dev/null", ...options.flatMap((option) => ["-o", option])];
  await setVariables(place, { GIT_SSH_COMMAND: command.join(" ") });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await place[Symbol.asyncDispose]();
});

const clone = (port: number) =>
  ask(place, "clone", { url: `ssh://user@127.0.0.1:${port}/x.git`, path: join(place.folder, "clone"), user: "user" });
const know = (key: string): void => writeFileSync(knownHosts, key && `[127.0.0.1]:${server.port} ${key}\n`);

describe("a server over ssh", () => {
  test.each([
    ["that nobody knows", () => "", "host_key", "Host key verification failed."],
    ["that has another key than before", () => makeHostKey(join(place.folder, "old")), "host_key", "HAS CHANGED"],
    ["that does not let the user in", () => server.hostKey, "auth_failed", "Permission denied (publickey"],
  ])("%s", async (_what, key, reason, words) => {
    know(key());
    const answer = await clone(server.port);
    expect(answer).toMatchObject({ status: 403, body: { code: "permission_denied", reason } });
    expect(answer.body["detail"]).toContain(words);
    expect(existsSync(join(place.folder, "clone"))).toBe(false);
  });

  test("that is not there", async () => {
    expect(await clone(9)).toMatchObject({ status: 503, body: { reason: "network" } });
  });
});
