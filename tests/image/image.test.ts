import { execFile, execFileSync, spawnSync } from "node:child_process";
import { mkdtempDisposableSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { Sandbox } from "@e2b/code-interpreter";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startControlPlane } from "../helpers/control-plane.ts";
import { REPOSITORY, until } from "../helpers/daemon.ts";
import { buildImage, type Container, imageBytes, IS_SLIM, startContainer } from "./container.ts";
import { needles } from "./needles.ts";
import { CELLS, driveWithJavaScript, driveWithPython, followPortsWithPython } from "./sdk-drive.ts";

const TOKEN = "image-token-0123456789abcdef";
const GUESTD = "/opt/guestd/bin/guestd";
const MINIMAL = ["python", "javascript", "typescript", "bash"];
const TARGETS = IS_SLIM ? (["slim"] as const) : (["slim", "full"] as const);
/** Where registries, certificates and this machine's folders would be found. */
const SECRET_FILES = ["etc/pip.conf", "root/.npmrc", "root/.pip", "root/.config/pip", "root/.cache"];

const report = (line: string): void => console.log(`image: ${line}`);
const megabytes = (bytes: number): string => `${Math.round(bytes / 1e6)} MB`;

describe.each(TARGETS)("the %s image", (target) => {
  const tag = `localhost/guestd:${target}`;
  let container: Container;

  beforeAll(async () => {
    const { seconds } = await buildImage(tag, ["--target", target]);
    report(`${target}: built in ${seconds.toFixed(0)} s, ${megabytes(await imageBytes(tag))}`);
    const began = performance.now();
    container = await startContainer(tag, { env: { GUESTD_TOKEN: TOKEN } });
    await until(async () => (await health(container)) === 204, 30_000);
    report(`${target}: started in ${((performance.now() - began) / 1000).toFixed(1)} s`);
  });
  afterAll(async () => container?.[Symbol.asyncDispose]());

  test("has tini as process 1, and guestd below it", async () => {
    const comm = (pid: string): Promise<string> => container.exec(["cat", `/proc/${pid}/comm`]);
    expect((await comm("1")).trim()).toBe("tini");
    const [child = ""] = (await container.exec(["cat", "/proc/1/task/1/children"])).trim().split(" ");
    expect(await container.exec(["readlink", `/proc/${child}/exe`])).toBe("/opt/guestd/bin/node\n");
  });

  test("has the account that clients expect, with sudo", async () => {
    expect(await container.exec(["id"], { user: "user" })).toMatch(/^uid=1000\(user\) gid=1000\(user\)/);
    expect(await container.exec(["sudo", "-n", "id", "-u"], { user: "user" })).toBe("0\n");
    expect(await container.exec(["git", "--version"], { user: "user" })).toMatch(/^git version/);
  });

  test("carries its kernels, and says of the others how to get them", async () => {
    const text = await container.exec(["guestd", "doctor"], { user: "user" });
    for (const language of languagesOf(target)) expect(text).toMatch(new RegExp(`ok +${language} `));
    for (const language of missingIn(target)) expect(text).toMatch(new RegExp(`-- +${language} .*\\n +fix: `));
    expect(text).toMatch(/ok +terminals/);
  });

  test("is driven by the JavaScript SDK", async () => {
    await using plane = await startControlPlane(api(container), TOKEN);
    const options = { apiKey: plane.apiKey, apiUrl: plane.url, sandboxUrl: api(container) };
    await driveWithJavaScript(options, languagesOf(target));
  });

  test("is driven by the Python SDK", async () => {
    await using plane = await startControlPlane(api(container), TOKEN);
    const options = { apiKey: plane.apiKey, apiUrl: plane.url, sandboxUrl: api(container) };
    await driveWithPython(options, languagesOf(target));
  });

  test("serves all the same with a read-only root", async () => {
    await using other = await startContainer(tag, { env: { GUESTD_TOKEN: TOKEN }, isReadOnly: true });
    await until(async () => (await health(other)) === 204, 30_000);
    await using plane = await startControlPlane(api(other), TOKEN);
    const options = { apiKey: plane.apiKey, apiUrl: plane.url, sandboxUrl: api(other) };
    await driveWithJavaScript(options, languagesOf(target));
  });

  test("asks for its token on every address", async () => {
    const url = `${api(container)}/v1/info`;
    expect((await fetch(url)).status).toBe(401);
    expect((await fetch(url, { headers: { "X-Access-Token": TOKEN } })).status).toBe(200);
  });

  test("is locked without a token until the first /init brings one", async () => {
    await using locked = await startContainer(tag);
    await until(async () => (await health(locked)) === 204, 30_000);
    const url = `${api(locked)}/v1/info`;
    const headers = { "X-Access-Token": TOKEN };
    expect((await fetch(url, { headers })).status).toBe(401);
    const init = { method: "POST", body: JSON.stringify({ accessToken: TOKEN }) };
    expect((await fetch(`${api(locked)}/init`, init)).status).toBe(204);
    expect((await fetch(url, { headers })).status).toBe(200);
    expect((await fetch(url)).status).toBe(401);
  });

  test("says how it is started, where it listens and how it is", async () => {
    expect(settingsOf(tag)).toMatchObject({
      Entrypoint: ["/opt/guestd/bin/tini", "--", GUESTD],
      ExposedPorts: { "49983/tcp": {}, "49999/tcp": {} },
      WorkingDir: "/home/user",
      StopSignal: "SIGTERM",
    });
    const [kind, ...check] = settingsOf(tag).Healthcheck.Test;
    expect([kind, await container.exec(check, { user: "user" })]).toEqual(["CMD", "ok\n"]);
    await expect(container.exec([...check, "--port", "1"])).rejects.toThrow(/ended with 1: /);
  });

  test("starts what its template says, tells when it is ready, and which ports open, to curl and to the SDKs", async () => {
    const env = {
      GUESTD_TOKEN: TOKEN,
      GUESTD_START_CMD: "exec python3 -m http.server 8000 --bind 127.0.0.1",
      GUESTD_READY_CMD: "curl -fs -o /dev/null http://127.0.0.1:8000/",
      GUESTD_FORWARD_PORTS: "true",
    };
    await using started = await startContainer(tag, { env });
    await until(
      async () => (await curl(["-o", "/dev/null", "-w", "%{http_code}", `${api(started)}/health?ready=1`])) === "204",
      60_000,
    );
    expect(await curl([`http://${started.address}:8000/`])).toContain("Directory listing");

    const token = ["-H", `X-Access-Token: ${TOKEN}`];
    const leaving = new AbortController();
    const feed = execFile("curl", ["-sN", ...token, `${api(started)}/v1/ports?follow=1`], { signal: leaving.signal });
    feed.on("error", () => undefined);
    let seen = "";
    feed.stdout?.on("data", (text: string) => void (seen += text));
    await until(() => /"opened","port":8000,.*"run":"run_/.test(seen) && seen.includes('"ready"'));
    await using plane = await startControlPlane(api(started), TOKEN);
    const options = { apiKey: plane.apiKey, apiUrl: plane.url, sandboxUrl: api(started) };
    const sandbox = await Sandbox.create(options);
    const processes = await sandbox.commands.list();
    expect(processes).toContainEqual(expect.objectContaining({ tag: "start-cmd" }));
    const server = await sandbox.commands.run("python3 -m http.server 9000 --bind 127.0.0.1", { background: true });
    await until(() => seen.includes('"type":"opened","port":9000,"address":"127.0.0.1"'));
    await until(async () => (await curl([`http://${started.address}:9000/`])).includes("Directory listing"));
    await server.kill();
    await until(() => seen.includes('"type":"closed","port":9000,'));
    leaving.abort();
    await followPortsWithPython(options, TOKEN);
  });

  test("keeps nothing of the machine that built it", () => {
    const { root } = container;
    for (const file of SECRET_FILES) expect(() => statSync(join(root, file)), file).toThrow(/ENOENT/);
    expect(readdirSync(join(root, "run", "secrets"))).toEqual([]);
    const unwanted = needles();
    // It finds these files and no other: each of them would be found.
    using folder = mkdtempDisposableSync(join(root, "opt", "planted-"));
    const planted = unwanted.map(({ what, text }, index) => {
      const file = join(folder.path, `${index} ${what}`);
      writeFileSync(file, `before ${text} after`, { mode: 0o600 });
      return file;
    });
    const input = unwanted.map(({ text }) => text).join("\n");
    const { stdout, stderr } = spawnSync("grep", ["-rlaF", "-f", "-", ...searched(root)], { input, encoding: "utf8" });
    expect({ found: stdout.trim().split("\n").toSorted(), stderr }).toEqual({ found: planted.toSorted(), stderr: "" });
    const settings = inspect(tag);
    expect(settings).toContain(GUESTD);
    const told = unwanted.filter(({ text }) => settings.includes(text));
    expect(told.map(({ what }) => what)).toEqual([]);
  });

  test("ends with status 0 soon after SIGTERM", async () => {
    await using other = await startContainer(tag, { env: { GUESTD_TOKEN: TOKEN } });
    await until(async () => (await health(other)) === 204, 30_000);
    const { status, seconds } = await other.stop();
    expect(status).toBe("0");
    report(`${target}: stopped in ${seconds.toFixed(1)} s`);
  });
});

// One more distribution is one more debootstrap.
if (!IS_SLIM) {
  test("an image of another distribution has the kernels that were named, and no sudo", async () => {
    const image = "localhost/guestd:noble";
    const options = ["--build-arg", "KERNELS=javascript bash", "--build-arg", "SUDO=no"];
    const { seconds } = await buildImage(image, ["--base", "noble", "--target", "slim", ...options]);
    report(`two kernels on Ubuntu: built in ${seconds.toFixed(0)} s, ${megabytes(await imageBytes(image))}`);
    await using container = await startContainer(image, { env: { GUESTD_TOKEN: TOKEN } });
    await until(async () => (await health(container)) === 204, 30_000);
    const text = await container.exec(["guestd", "doctor"], { user: "user" });
    for (const language of ["javascript", "bash"]) expect(text).toMatch(new RegExp(`ok +${language} `));
    for (const language of ["python", "r", "java"]) expect(text).toMatch(new RegExp(`-- +${language} .*\\n +fix: `));
    expect(await container.exec(["sh", "-c", "command -v sudo python3 || true"])).toBe("");
    expect(await container.exec(["id"], { user: "user" })).toMatch(/^uid=1000\(user\) gid=1000\(user\)/);
  });
}

/** What curl prints; nothing when it fails. */
async function curl(args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)("curl", ["-s", "-m", "5", ...args]).catch(() => ({ stdout: "" }));
  return stdout;
}

const api = ({ address }: Container): string => `http://${address}:49983`;

async function health(container: Container): Promise<number> {
  return fetch(`${api(container)}/health`).then(
    ({ status }) => status,
    () => 0,
  );
}

/** All that buildah knows of an image, with its history. */
const inspect = (tag: string): string =>
  execFileSync("buildah", ["inspect", "--type", "image", tag], { encoding: "utf8" });

/** What its Dockerfile says to whoever runs it. */
function settingsOf(tag: string): { Healthcheck: { Test: string[] } } {
  const image = JSON.parse(inspect(tag)) as { Docker: { config: { Healthcheck: { Test: string[] } } } };
  return image.Docker.config;
}

/** Languages whose drivers there are. */
function known(): string[] {
  return readdirSync(join(REPOSITORY, "kernels"), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .flatMap(({ name }) => {
      const manifest = readFileSync(join(REPOSITORY, "kernels", name, "kernel.json"), "utf8");
      return (JSON.parse(manifest) as { languages: { name: string }[] }).languages.map(
        ({ name: language }) => language,
      );
    });
}

const languagesOf = (target: string): string[] =>
  known().filter((language) => language in CELLS && (target === "full" || MINIMAL.includes(language)));
const missingIn = (target: string): string[] => known().filter((language) => !languagesOf(target).includes(language));

/** Everything in it but what the kernel shows. */
function searched(root: string): string[] {
  return readdirSync(root)
    .filter((name) => !["proc", "sys", "dev"].includes(name))
    .map((name) => join(root, name));
}
