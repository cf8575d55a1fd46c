import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Answer, ask, type GitPlace, SECRET, setVariables, startGitPlace } from "./git-place.ts";
import { TestClone } from "./git-test-clone.ts";

let place: GitPlace;
let clones = 0;
let clone: TestClone;
/** Of the user's settings. */
let home = "";

beforeAll(async () => {
  place = await startGitPlace();
  home = join(place.folder, "home");
  mkdirSync(home);
  execFileSync("chown", ["user", home]);
  await setVariables(place, { HOME: home });
});
afterAll(async () => place[Symbol.asyncDispose]());
beforeEach(async () => {
  clones += 1;
  clone = await TestClone.open(place, `clone-${clones}`);
});

/** But those of the machine, which may have any. */
const valuesOf = ({ body }: Answer): string[] =>
  (body["settings"] as { value: string; scope: string }[])
    .filter(({ scope }) => scope !== "system")
    .map(({ value }) => value);

describe("settings", () => {
  test("of the repository are set, read, listed and taken away", async () => {
    const key = "branch.Topic/One.description";
    const set = await clone.done("config", { key, value: "-c two\nlines=and more " });
    const setting = { key, value: "-c two\nlines=and more ", scope: "local" };
    expect(set).toEqual({ settings: [setting] });
    expect((await clone.look("config", `&key=${key.replace("branch", "BRANCH")}`)).body).toEqual(set);
    expect((await clone.look("config")).body["settings"]).toContainEqual(setting);
    await clone.done("config", { key: "user.name", value: "Bob" });
    expect(await clone.text("config", "&key=user.name")).toBe("Bob\n");
    expect(await clone.text("config")).toContain("\nuser.name=Bob\n");
    expect(await clone.shell("git config user.name")).toBe("Bob\n");
    expect((await clone.remove("config", "&key=user.name")).body).toEqual({ settings: [] });
    const missing = { status: 404, body: { reason: "not_found" } };
    expect(await clone.remove("config", "&key=user.name")).toMatchObject(missing);
    expect(await clone.look("config", "&key=user.name")).toMatchObject(missing);
  });

  test("have several values when they are added, and one when they are set", async () => {
    const key = "remote.origin.fetch";
    const more = "+refs/notes/*:refs/notes/*";
    expect(valuesOf(await clone.change("config", { key, value: more, add: true }))).toEqual([
      "+refs/heads/*:refs/remotes/origin/*",
      more,
    ]);
    expect(valuesOf(await clone.change("config", { key, value: "" }))).toEqual([""]);
    expect(valuesOf(await clone.change("config", { key, value: "--unset" }))).toEqual(["--unset"]);
    expect(await clone.remove("config", `&key=${key}`)).toMatchObject({ status: 200, body: { settings: [] } });
  });

  test("of the user count for all his repositories, and for none of another's", async () => {
    const ofUser = (what: string, body: object): Promise<Answer> => ask(place, what, { user: "user", ...body });
    const name = { key: "user.name", value: "Global Bob", scope: "global" };
    expect(await ofUser("config", name)).toMatchObject({ status: 200, body: { settings: [name] } });
    await clone.done("config", { key: "user.name", value: "Local Bob" });
    expect(valuesOf(await clone.look("config", "&key=user.name"))).toEqual(["Global Bob", "Local Bob"]);
    expect(await clone.text("config", "&key=user.name")).toBe("Local Bob\n");
    expect(valuesOf(await clone.look("config", "&key=user.name&scope=global"))).toEqual(["Global Bob"]);
    expect((await clone.remove("config", "&key=user.name&scope=global")).body).toMatchObject({
      settings: [{ value: "Local Bob" }],
    });
    expect(await ask(place, "config?user=user&key=user.name")).toMatchObject({ status: 404 });
    expect(readFileSync(join(home, ".gitconfig"), "utf8")).not.toContain("Bob");
  });

  test("of the user that stand in another file of his are told to, and stay", async () => {
    mkdirSync(join(home, ".config/git"), { recursive: true });
    writeFileSync(join(home, ".config/git/config"), "[x]\n\ty = 1\n");
    writeFileSync(join(home, ".gitconfig"), "");
    const address = "config?user=user&scope=global&key=x.y";
    const answer = await ask(place, address, undefined, { method: "DELETE" });
    expect(answer).toMatchObject({ status: 409, body: { code: "failed_precondition" } });
    expect(answer.body["detail"]).toContain("another file");
    expect(answer.body["hint"]).toContain("--show-origin");
    expect(valuesOf(await ask(place, address))).toEqual(["1"]);
  });

  test("of the machine are root's", async () => {
    const answer = await clone.change("config", { key: "x.y", value: "1", scope: "system" });
    expect(answer).toMatchObject({ status: 403, body: { code: "permission_denied" } });
  });

  test("are not those that git has been given for the call", async () => {
    for (const key of ["core.hooksPath", "gc.autoDetach", "user.useConfigOnly"]) {
      expect(await clone.look("config", `&key=${key}`)).toMatchObject({ status: 404 });
    }
  });

  test("need a repository unless they are of the user or the machine", async () => {
    expect(await ask(place, "config", { key: "x.y", value: "1", user: "user" })).toMatchObject({ status: 400 });
    expect(await ask(place, "config?scope=local&user=user")).toMatchObject({ status: 400 });
    const none = { status: 409, body: { reason: "not_a_repository" } };
    expect(await clone.change("config", { path: "/tmp", key: "x.y", value: "1" })).toMatchObject(none);
    expect(await ask(place, "config?scope=local&user=user&path=/tmp")).toMatchObject(none);
    expect(await ask(place, "config?user=user&path=/tmp")).toMatchObject({ status: 200 });
  });

  test.each(["name", "user.", ".name", "user.na me", "--global", "-x.y", "user.name\n[core]", "1.2"])(
    "have no key %j",
    async (key) => {
      expect(await clone.change("config", { key, value: "x" })).toMatchObject({ status: 400 });
    },
  );

  test("have no NUL, which no program can be given", async () => {
    expect(await clone.change("config", { key: "user.name", value: "a\0b" })).toMatchObject({ status: 400 });
  });

  test("are set at the same time, remotes too", async () => {
    const numbers = Array.from({ length: 6 }, (_none, number) => number);
    await Promise.all(
      numbers.flatMap((number) => [
        clone.done("config", { key: `x.y${number}`, value: `${number}` }),
        clone.done("remotes", { name: `r${number}`, url: "https://example.com/x" }),
      ]),
    );
    const text = await clone.text("config", "&scope=local");
    for (const number of numbers) expect(text).toContain(`\nx.y${number}=${number}\n`);
    expect((await clone.look("remotes")).body["remotes"]).toHaveLength(numbers.length + 1);
  });

  test("that another git is writing are told to be locked", async () => {
    writeFileSync(join(clone.path, ".git/config.lock"), "");
    const answer = await clone.change("config", { key: "x.y", value: "1" });
    expect(answer).toMatchObject({ status: 409, body: { reason: "lock" } });
  });
});

describe("a secret", () => {
  test.each([
    ["remote.origin.url", "https://ada:s3cret@example.com/x"],
    ["remote.origin.url", "https://s3cret@example.com/x"],
    ["http.proxy", "http://ada:s3cret@proxy:3128"],
    ["http.extraHeader", "Authorization: Basic s3cret"],
    ["branch.https://ada:s3cret@example.com/.x", "y"],
    ["sendemail.smtpPass", "s3cret"],
    ["github.token", "s3cret"],
    ["hub.oauthTokens", "s3cret"],
    ["http.proxy", "ada:s3cret@proxy:3128"],
    ["remote.origin.proxy", "s3cret@proxy:3128"],
    ["http.extraHeader", "PRIVATE-TOKEN: s3cret"],
    ["http.https://example.com/.extraHeader", "Cookie: id=s3cret"],
    ["remote.origin.pushurl", "ada:s3cret@example.com/x"],
  ])("is not taken as %s", async (key, value) => {
    const before = readFileSync(join(clone.path, ".git/config"), "utf8");
    const answer = await clone.change("config", { key, value });
    expect([answer.status, JSON.stringify(answer).includes("s3cret")]).toEqual([400, false]);
    expect(readFileSync(join(clone.path, ".git/config"), "utf8")).toBe(before);
  });

  test.each(["url.https://ada:s3cret@example.com/.insteadOf", "branch.https://s3cret@example.com/.x"])(
    "in the key %s is not looked for with git's arguments",
    async (key) => {
      const address = `&key=${encodeURIComponent(key)}`;
      const removed = await clone.remove("config", address);
      expect(removed).toMatchObject({ status: 400, body: { code: "invalid_argument" } });
      const found = await clone.look("config", address);
      expect(found).toMatchObject({ status: 404 });
      expect(JSON.stringify([removed, found])).not.toContain("s3cret");
    },
  );

  test("that somebody has left without a protocol, or in a header, is not shown", async () => {
    const settings = {
      "http.proxy": ["ada:s3cret@proxy:3128", "***@proxy:3128"],
      "http.https://example.com/.extraheader": ["PRIVATE-TOKEN: s3cret", "PRIVATE-TOKEN: ***"],
      "remote.origin.url": ["ada:s3cret@example.com/x", "***@example.com/x"],
      "hub.oauthtoken": ["s3cret", "***"],
      "http.sslcertpasswordprotected": ["true", "true"],
      "core.askpass": ["/bin/ask", "/bin/ask"],
    };
    for (const [key, [value]] of Object.entries(settings)) await clone.shell(`git config ${key} '${value}'`);
    const all = (await clone.look("config")).body["settings"];
    for (const [key, [, value]] of Object.entries(settings)) {
      expect(all).toContainEqual({ key, value, scope: "local" });
    }
    const shown = JSON.stringify([all, await clone.look("remotes")]) + (await clone.text("remotes"));
    expect(shown).not.toContain("s3cret");
  });

  test("that somebody has left in a setting is not shown", async () => {
    await clone.shell("git config http.extraHeader 'AUTHORIZATION: basic s3cret'");
    await clone.shell("git config url.https://s3cret@example.com/.insteadOf https://example.com/");
    await clone.shell("git config github.token s3cret");
    const { settings } = (await clone.look("config")).body as { settings: object[] };
    expect(settings).toContainEqual({ key: "github.token", value: "***", scope: "local" });
    expect(settings).toContainEqual({ key: "http.extraheader", value: "AUTHORIZATION: ***", scope: "local" });
    expect(settings).toContainEqual({
      key: "url.https://***@example.com/.insteadof",
      value: "https://example.com/",
      scope: "local",
    });
    expect((await clone.text("config")) + JSON.stringify(settings)).not.toContain("s3cret");
  });
});

describe("a setting that makes git run a program", () => {
  test.each([
    "alias.x",
    "core.sshCommand",
    "core.fsmonitor",
    "core.hooksPath",
    "core.askPass",
    "core.alternateRefsCommand",
    "credential.helper",
    "credential.https://example.com/.helper",
    "filter.x.clean",
    "gpg.ssh.defaultKeyCommand",
    "remote.origin.vcs",
  ])("is for commands: %s", async (key) => {
    const answer = await clone.change("config", { key, value: "id" });
    expect(answer).toMatchObject({ status: 403, body: { code: "permission_denied" } });
    expect(answer.body["hint"]).toContain("POST /v1/run");
    expect(answer.body["detail"]).not.toContain("allowUnsafe");
    await clone.shell(`git config ${key} false`);
    expect(await clone.remove("config", `&key=${key}`)).toMatchObject({ status: 200, body: { settings: [] } });
  });

  test.each([
    ["branch.alias-fix.description", "x"],
    ["user.name", "--upload-pack=x"],
    ["user.name", "-calias.x=1"],
    ["submodule.x.update", "rebase"],
    ["x.alias", "core.editor"],
  ])("is not %s = %s", async (key, value) => {
    expect(valuesOf(await clone.change("config", { key, value }))).toContain(value);
  });

  test("gets no credentials of a call, whoever has set it", async () => {
    const program = join(place.folder, `program-${clones}`);
    const said = `${program}.said`;
    writeFileSync(
      program,
      `#!/bin/sh\n{ echo "$0" "$@"; [ "$1" = get ] && cat; "$GIT_ASKPASS" "Password for '${place.server.url}': "; } >>${said}\n`,
    );
    execFileSync("chmod", ["755", program]);
    const keys = {
      "credential.helper": program,
      [`credential.${place.server.url}.helper`]: program,
      "core.askPass": program,
      "core.fsmonitor": program,
      "core.alternateRefsCommand": program,
      "core.hooksPath": `${program}.hooks`,
      "core.sshCommand": program,
      "alias.fetch": `!${program}`,
      "alias.push": `!${program}`,
      "core.pager": program,
      "core.editor": program,
      "gc.auto": "1",
    };
    const hooks = ["pre-push", "post-merge", "reference-transaction", "post-checkout", "pre-auto-gc"];
    mkdirSync(`${program}.hooks`);
    for (const hook of hooks) execFileSync("cp", [program, join(`${program}.hooks`, hook)]);
    await clone.commit(`file-${clones}`, "new\n");
    const other = await TestClone.open(place, `other-${clones}`);
    await clone.shell(`echo ${other.path}/.git/objects >.git/objects/info/alternates`);
    const commands = Object.entries(keys).map(([key, value]) => `git config '${key}' '${value}'`);
    await clone.shell(commands.join(" && "));
    await clone.done("fetch", { credentials: SECRET });
    await clone.done("push", { credentials: SECRET });
    // `core.fsmonitor` is asked by the status that each call ends with, which has no credentials.
    const lines = () =>
      readFileSync(said, "utf8")
        .split("\n")
        .filter((line) => line !== "" && !/ [12] \d+$/.test(line));
    expect(lines()).toEqual([]);
    // They are obeyed where there are no credentials to get.
    expect(await clone.change("fetch", {})).toMatchObject({ status: 403, body: { reason: "auth_failed" } });
    expect(lines()).toContain(`${program} get`);
    expect(lines().join("\n")).not.toContain(SECRET.password);
  });
});
