import { X509Certificate } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempDisposableSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { rootCertificates } from "node:tls";
import { describe, expect, test } from "vitest";
import type { MachinePlaces } from "../../src/lifecycle/machine.ts";
import { startBuiltDaemon } from "../helpers/built-daemon.ts";
import { startTestDaemon, type TestDaemon, until } from "../helpers/daemon.ts";
import { installForEverybody } from "../helpers/installation.ts";
import { post } from "../helpers/native-runs.ts";
import { send } from "../unit/edge/connect/wire-client.ts";

async function init(daemon: TestDaemon, body: object): Promise<[status: number, text: string]> {
  const answer = await post(daemon.url, "/init", body);
  expect(answer.headers.get("x-envd-version")).toBe("0.6.13");
  return [answer.status, await answer.text()];
}

const envs = async (daemon: TestDaemon): Promise<unknown> => (await daemon.fetch("/envs")).json();
const events = (daemon: TestDaemon, event: string): unknown[] => daemon.log.filter((line) => line["event"] === event);

/** A machine in a folder. */
function machine(folder: string): Pick<MachinePlaces, "hostsFile" | "trust"> {
  return {
    hostsFile: join(folder, "hosts"),
    trust: { bundle: join(folder, "certs", "bundle.crt"), added: join(folder, "share", "added.crt") },
  };
}

describe("a body that cannot be applied", () => {
  test.each([
    [{ hyperloopIP: "events" }, 'body.hyperloopIP: must be an IPv4 or IPv6 address, not "events"'],
    [{ hyperloopIP: "1.2.3.4 evil.example" }, "body.hyperloopIP"],
    [{ hyperloopIP: "fe80::1%eth0" }, "body.hyperloopIP"],
    [{ hyperloopIP: 7 }, "body.hyperloopIP: must be a string, not a number"],
    [{ caBundle: "no PEM" }, "caBundle holds no certificate in PEM form"],
    [
      { caBundle: "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----" },
      "part 1 of caBundle is no certificate",
    ],
    [
      { caBundle: `${rootCertificates[0]}\n-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n` },
      "part 2 of caBundle is no certificate",
    ],
    [{ volumeMounts: [{ nfs_target: "server:/x" }] }, "body.volumeMounts.0.path: is missing"],
    [
      { volumeMounts: [{ nfs_target: "server", path: "/mnt/x" }] },
      'body.volumeMounts.0.nfs_target: must be server:/directory, not "server"',
    ],
    [{ volumeMounts: [{ nfs_target: "-o:/x", path: "/mnt/x" }] }, "body.volumeMounts.0.nfs_target"],
    [{ volumeMounts: [{ nfs_target: "a,b:/x", path: "/mnt/x" }] }, "body.volumeMounts.0.nfs_target"],
    [
      { volumeMounts: [{ nfs_target: "s:/x", path: "mnt" }] },
      'body.volumeMounts.0.path: must be an absolute path, not "mnt"',
    ],
    [{ volumeMounts: [{ nfs_target: "s:/x", path: "/a/../" }] }, "body.volumeMounts.0.path: must not be /"],
    [{ volumeMounts: [{ nfs_target: "s:/x", path: "/a\nb" }] }, "body.volumeMounts.0.path"],
    [{ volumeMounts: {} }, "body.volumeMounts: must be a list, not an object"],
    [{ lifecycleID: 7 }, "body.lifecycleID: must be a string, not a number"],
    [{ envVars: { "A=B": "x" } }, 'environment variable name "A=B" contains \'='],
    [{ envVars: { "A\0B": "x" } }, 'environment variable name "A\\u0000B" contains a NUL byte'],
    [{ envVars: { SECRET: "a\0b" } }, 'the value of environment variable "SECRET" contains a NUL byte'],
    [{ envVars: { "": "x" } }, 'environment variable name "" is empty'],
    [{ envVars: { A: 1 } }, "body.envVars.A: must be a string, not a number"],
    [{ timestamp: "soon" }, 'body.timestamp: must be an RFC 3339 time such as 2026-11-29T10:00:00Z, not "soon"'],
    [{ timestamp: "2026" }, "body.timestamp"],
    [{ timestamp: "2026-13-01T00:00:00Z" }, "body.timestamp"],
    [{ timestamp: "2026-01-01T00:00:00" }, "body.timestamp"],
  ])("%j is 400 and changes nothing", async (body, message) => {
    using folder = mkdtempDisposableSync(join(tmpdir(), "guestd-init-"));
    await using daemon = await startTestDaemon({ argv: ["--host", "0.0.0.0"], places: machine(folder.path) });
    const rest = { accessToken: "t", envVars: { NEW: "1" }, hyperloopIP: "10.0.0.1", defaultWorkdir: "/usr" };
    const answer = await init(daemon, { ...rest, ...body });
    expect(answer).toEqual([400, expect.stringContaining(message)]);
    expect(readdirSync(folder.path)).toEqual([]);
    // It is still locked, and without a token.
    expect((await daemon.fetch("/envs", { headers: { "X-Access-Token": "t" } })).status).toBe(401);
    expect(await init(daemon, {})).toEqual([204, ""]);
    expect(await envs(daemon)).toEqual({ E2B_SANDBOX: "true" });
  });

  test("carries the version when it is too large, no JSON or no text", async () => {
    await using daemon = await startTestDaemon();
    for (const body of ["{", `{"x":"${"y".repeat(1024 * 1024)}"}`, Buffer.from([0x22, 0xff, 0x22])]) {
      const { status, headers } = await send(daemon.url, { path: "/init", headers: {}, body });
      expect([status, headers["x-envd-version"]]).toEqual([400, "0.6.13"]);
    }
  });
});

describe("the address of the platform's events", () => {
  test.each([
    ["10.1.2.3", "http://10.1.2.3"],
    ["fd00::7", "http://[fd00::7]"],
  ])("%s is in the hosts file and in E2B_EVENTS_ADDRESS", async (hyperloopIP, url) => {
    using folder = mkdtempDisposableSync(join(tmpdir(), "guestd-init-"));
    const places = machine(folder.path);
    writeFileSync(places.hostsFile, "127.0.0.1 localhost\n192.0.2.1 events.e2b.local\n");
    await using daemon = await startTestDaemon({ places });
    expect(await init(daemon, { hyperloopIP, envVars: { E2B_EVENTS_ADDRESS: "forged" } })).toEqual([204, ""]);
    expect(readFileSync(places.hostsFile, "utf8")).toBe(`127.0.0.1 localhost\n${hyperloopIP}\tevents.e2b.local\n`);
    expect(await envs(daemon)).toEqual({ E2B_SANDBOX: "true", E2B_EVENTS_ADDRESS: url });
    // It stays for calls that say nothing of it.
    expect(await init(daemon, { envVars: {}, hyperloopIP: null })).toEqual([204, ""]);
    expect(await envs(daemon)).toEqual({ E2B_SANDBOX: "true", E2B_EVENTS_ADDRESS: url });
  });

  test("that cannot be written is told in the log", async () => {
    await using daemon = await startTestDaemon({ places: { hostsFile: "/proc/self/hosts/none" } });
    expect(await init(daemon, { hyperloopIP: "10.1.2.3" })).toEqual([204, ""]);
    expect(events(daemon, "hosts.not_written")).toHaveLength(1);
    expect(await envs(daemon)).toMatchObject({ E2B_EVENTS_ADDRESS: "http://10.1.2.3" });
  });
});

describe("certificates", () => {
  const [first = "", second = "", third = ""] = rootCertificates.map((pem) => new X509Certificate(pem).toString());

  test("are trusted besides those that were, in place of an earlier call's, and kept where they are found again", async () => {
    using folder = mkdtempDisposableSync(join(tmpdir(), "guestd-init-"));
    const { trust } = machine(folder.path);
    mkdirSync(join(folder.path, "certs"));
    // The distribution has one of ours too, and its last line has no end.
    const before = `# of the distribution\n${first}${third.trim()}`;
    writeFileSync(trust.bundle, before, { mode: 0o640 });
    await using daemon = await startTestDaemon({ places: { trust } });
    const bundle = (): string => readFileSync(trust.bundle, "latin1");
    const comments = `comment\n${first.replaceAll("\n", "\r\n")}more of it\n${second}`;
    expect(await init(daemon, { caBundle: comments })).toEqual([204, ""]);
    const added = readFileSync(trust.added, "latin1");
    expect(added.replaceAll(/^#.*\n/gm, "")).toBe(first + second);
    expect(bundle()).toBe(`${before}\n${added}`);
    expect(statSync(trust.bundle).mode & 0o777).toBe(0o640);
    const { ino } = statSync(trust.bundle);
    expect(await init(daemon, { caBundle: comments })).toEqual([204, ""]);
    expect([bundle(), statSync(trust.bundle).ino]).toEqual([`${before}\n${added}`, ino]);
    expect(await init(daemon, { caBundle: third })).toEqual([204, ""]);
    const newer = readFileSync(trust.added, "latin1");
    expect([newer.replaceAll(/^#.*\n/gm, ""), bundle()]).toEqual([third, `${before}\n${newer}`]);
    // Another daemon, after update-ca-certificates has put ours in its place among the others.
    writeFileSync(trust.bundle, `${first}${newer}${second}`);
    await using other = await startTestDaemon({ places: { trust } });
    expect(await init(other, { caBundle: third })).toEqual([204, ""]);
    expect(bundle()).toBe(`${first}${newer}${second}`);
    expect(await init(other, { caBundle: first })).toEqual([204, ""]);
    expect(bundle()).toBe(`${first}${second}${readFileSync(trust.added, "latin1")}`);
    // A daemon was ended in between, before there was another record of what it had put into the bundle.
    rmSync(trust.added);
    expect(await init(other, { caBundle: third })).toEqual([204, ""]);
    expect(bundle()).toBe(`${first}${second}${newer}`);
    expect(readdirSync(join(folder.path, "certs"))).toEqual(["bundle.crt"]);
  });

  test("that nothing here would read are told in the log, and kept for later", async () => {
    using folder = mkdtempDisposableSync(join(tmpdir(), "guestd-init-"));
    const { trust } = machine(folder.path);
    await using daemon = await startTestDaemon({ places: { trust } });
    expect(await init(daemon, { caBundle: first })).toEqual([204, ""]);
    expect(readFileSync(trust.added, "latin1")).toContain(first);
    expect(existsSync(trust.bundle)).toBe(false);
    expect(events(daemon, "trust.no_bundle")).toHaveLength(1);
  });

  test("that cannot be written are 400", async () => {
    using folder = mkdtempDisposableSync(join(tmpdir(), "guestd-init-"));
    const { trust } = machine(folder.path);
    writeFileSync(join(folder.path, "share"), "in the way");
    await using daemon = await startTestDaemon({ places: { trust } });
    expect(await init(daemon, { caBundle: first })).toEqual([400, expect.stringContaining("cannot install caBundle")]);
  });

  test("that guestd has no right to write are told in the log", async () => {
    // Not even root may write there.
    const trust = { bundle: "/sys/guestd/bundle.crt", added: "/sys/guestd/added.crt" };
    await using daemon = await startTestDaemon({ places: { trust } });
    expect(await init(daemon, { caBundle: first })).toEqual([204, ""]);
    expect(events(daemon, "trust.not_written")).toHaveLength(1);
  });
});

/** A clock in 1970 that notes what it is set to. */
function watch(): { set: bigint[]; clock: MachinePlaces["clock"] } {
  const set: bigint[] = [];
  return { set, clock: { nowNs: () => set.at(-1) ?? 0n, set: (ns) => void set.push(ns) } };
}

describe("the clock", () => {
  const YEAR_2030 = "2030-01-01T00:00:00.000000001Z";
  const at2030 = BigInt(Date.parse("2030-01-01T00:00:00Z")) * 1_000_000n + 1n;
  test("is left alone unless the setting says otherwise", async () => {
    const { set, clock } = watch();
    await using daemon = await startTestDaemon({ places: { clock } });
    expect(await init(daemon, { timestamp: YEAR_2030 })).toEqual([204, ""]);
    expect(set).toEqual([]);
  });

  test("is set by the newest call, never by a stale or a refused one", async () => {
    const { set, clock } = watch();
    await using daemon = await startTestDaemon({ argv: ["--set-clock"], places: { clock } });
    expect(await init(daemon, { timestamp: YEAR_2030, envVars: { "": "" } })).toEqual([400, expect.any(String)]);
    expect(set).toEqual([]);
    expect(await init(daemon, { accessToken: "t", timestamp: YEAR_2030 })).toEqual([204, ""]);
    expect(set).toHaveLength(1);
    expect((set[0] ?? 0n) >= at2030).toBe(true);
    expect(await init(daemon, { accessToken: "t", timestamp: "2029-01-01T00:00:00Z" })).toEqual([204, ""]);
    expect(await init(daemon, { accessToken: "x", timestamp: "2031-01-01T00:00:00Z" })).toEqual([
      401,
      expect.any(String),
    ]);
    expect(set).toHaveLength(1);
    expect(await init(daemon, { accessToken: "t", timestamp: "2031-01-01t00:00:00.5+01:00" })).toEqual([204, ""]);
    expect(set).toHaveLength(2);
  });
});

test("a daemon that may not set the clock says so once, and does all else", async () => {
  // An account without a right to it: this machine's clock cannot change.
  const account = process.geteuid?.() === 0 ? { account: { uid: 65_534, gid: 65_534, home: "/" } } : {};
  using installation = installForEverybody();
  await using daemon = await startBuiltDaemon({ ...account, installation, argv: ["--set-clock", "--kernels="] });
  for (const hours of [1, 2]) {
    const timestamp = new Date(Date.now() + hours * 3_600_000).toISOString();
    const { status } = await post(daemon.url, "/init", { timestamp, envVars: { HOURS: String(hours) } });
    expect(status).toBe(204);
  }
  expect(await (await fetch(`${daemon.url}/envs`)).json()).toMatchObject({ HOURS: "2" });
  await until(() => daemon.log.filter(({ event }) => event === "initialized").length === 2);
  expect(daemon.log.filter(({ event }) => event === "clock.not_set")).toEqual([
    expect.objectContaining({ error: "operation not permitted" }),
  ]);
});

test("the name of this life of the sandbox is in the log", async () => {
  await using daemon = await startTestDaemon();
  expect(await init(daemon, { lifecycleID: "life-7" })).toEqual([204, ""]);
  expect(events(daemon, "initialized")).toEqual([expect.objectContaining({ lifecycleId: "life-7" })]);
});
