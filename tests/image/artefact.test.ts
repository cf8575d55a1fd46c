import { execFile } from "node:child_process";
import { machine } from "node:os";
import { promisify } from "node:util";
import { beforeAll, describe, expect, test } from "vitest";
import { startControlPlane } from "../helpers/control-plane.ts";
import { until } from "../helpers/daemon.ts";
import { buildImage, buildOver, type Container, type ContainerOptions, IS_SLIM, startContainer } from "./container.ts";
import { driveWithJavaScript } from "./sdk-drive.ts";

const execute = promisify(execFile);
const ARTEFACT = "localhost/guestd:artefact";
const TOKEN = "artefact-token-0123456789abcdef";
const GUESTD = "/opt/guestd/bin/guestd";
const TINI = ["/opt/guestd/bin/tini", "--"];
/** glibc 2.31, 2.36, 2.41 and Ubuntu's 2.39, without Node, Python, R, curl or git; bookworm is also what the images are made of. */
const SUITES = IS_SLIM ? ["bullseye"] : ["bullseye", "bookworm", "trixie", "noble"];
/** What needs nothing of the image but bash. */
const LANGUAGES = ["javascript", "typescript", "bash"];
const PLAIN_USER = 1234;
/** The oldest glibc that Node itself runs on. */
const FLOOR = 28;
/** As Debian's folders are called after it. */
const PROCESSOR = machine();

/** No capability, and none to be had: what Kubernetes calls restricted. */
const RESTRICTED = ["--bounding-set", "-all", "--inh-caps", "-all", "--no-new-privs"];

const WAYS: readonly (readonly [string, ContainerOptions])[] = [
  ["root, below tini", { command: [...TINI, GUESTD] }],
  ["root, as process 1 itself", { command: [GUESTD] }],
  ["root, with a read-only root", { command: [...TINI, GUESTD], isReadOnly: true }],
  ["an ordinary user", { command: [...TINI, ...asUser(PLAIN_USER), GUESTD] }],
  [
    "an ordinary user, as process 1 with a read-only root",
    { command: [...asUser(PLAIN_USER), GUESTD], isReadOnly: true },
  ],
  [
    "an ordinary user, as a restricted pod has it",
    { command: [...asUser(PLAIN_USER, ...RESTRICTED), GUESTD], isReadOnly: true },
  ],
];

beforeAll(async () => {
  const { seconds } = await buildImage(ARTEFACT, ["--target", "artefact"]);
  console.log(`image: artefact built in ${seconds.toFixed(0)} s`);
});

describe.each(SUITES)("the artefact on %s", (suite) => {
  const tag = `localhost/guestd-on:${suite}`;
  beforeAll(() =>
    buildOver(suite, tag, [
      `COPY --from=${ARTEFACT} /opt/guestd /opt/guestd`,
      `RUN useradd --create-home --uid ${PLAIN_USER} plain`,
      "ENV GUESTD_HOST=0.0.0.0 GUESTD_DEFAULT_WORKDIR=/tmp",
    ]),
  );

  test.each(WAYS)("serves as %s", async (_name, options) => {
    await using container = await startContainer(tag, { ...options, env: { GUESTD_TOKEN: TOKEN } });
    const url = await whenServing(container);
    await using plane = await startControlPlane(url, TOKEN);
    await driveWithJavaScript({ apiKey: plane.apiKey, apiUrl: plane.url, sandboxUrl: url }, LANGUAGES);
    await leaveOrphans(url);
    await until(async () => (await zombies(container)) === "", 30_000);
    expect((await container.stop()).status).toBe("0");
  });

  test("says what is missing", async () => {
    await using container = await startContainer(tag, { command: [...TINI, GUESTD], env: { GUESTD_TOKEN: TOKEN } });
    await whenServing(container);
    const text = await container.exec([GUESTD, "doctor"]);
    for (const name of ["processes", "terminals", "inotify", ...LANGUAGES])
      expect(text).toMatch(new RegExp(`ok +${name}`));
    expect(text).toMatch(/-- +python .*\n +fix: install Python/);
    expect(await container.exec(["sh", "-c", "command -v node python3 curl || true"])).toBe("");
  });
});

test("asks for no newer glibc than Node does", async () => {
  await using container = await startContainer(`localhost/guestd-on:${SUITES[0]}`, {
    command: [...TINI, "sleep", "600"],
  });
  const compiled = "( -name *.node -o -name *.so* -o -perm -u+x ) -type f".split(" ");
  const { stdout: files } = await execute("find", [`${container.root}/opt/guestd`, ...compiled]);
  for (const file of files.trim().split("\n")) {
    const { stdout: symbols } = await execute("objdump", ["-p", file]).catch(() => ({ stdout: "" }));
    const minors = [...symbols.matchAll(/GLIBC_2\.(\d+)/g)].map(([, minor]) => Number(minor));
    expect(Math.max(0, ...minors), file).toBeLessThanOrEqual(FLOOR);
    if (file.endsWith("/bin/node")) expect(minors).toContain(FLOOR);
  }
});

test("brings the C++ runtime for images that have none but glibc, for itself and its kernels alone", async () => {
  const tag = "localhost/guestd-on:glibc";
  const loader = { x86_64: "/lib64/ld-linux-x86-64.so.2", aarch64: "/lib/ld-linux-aarch64.so.1" }[PROCESSOR] ?? "";
  await buildOver("bullseye", tag, [
    "RUN apt-get update && apt-get install -y --no-install-recommends busybox-static",
    `RUN mkdir -p /bare/lib/${PROCESSOR}-linux-gnu /bare/bin /bare/etc /bare/proc /bare/sys /bare/dev /bare/tmp /bare/run /bare/root /bare$(dirname ${loader}) \\`,
    " && chmod 1777 /bare/tmp \\",
    ` && cd /lib/${PROCESSOR}-linux-gnu \\`,
    ` && cp -L libc.so.6 libm.so.6 libdl.so.2 libpthread.so.0 librt.so.1 libutil.so.1 libtinfo.so.6 /bare/lib/${PROCESSOR}-linux-gnu/ \\`,
    ` && cp -L ${loader} /bare${loader} && cp /bin/bash /bin/busybox /bare/bin/ && cp /etc/passwd /etc/group /bare/etc/ \\`,
    " && for tool in sh cat dirname readlink sleep env true id stty mkdir; do ln -s busybox /bare/bin/$tool; done",
    "FROM scratch",
    "COPY --from=0 /bare /",
    `COPY --from=${ARTEFACT} /opt/guestd /opt/guestd`,
    "ENV GUESTD_HOST=0.0.0.0 NODE_OPTIONS=--require=/nowhere.js",
  ]);
  await using container = await startContainer(tag, {
    command: [...TINI, GUESTD],
    env: { GUESTD_TOKEN: TOKEN },
    isReadOnly: true,
  });
  const url = await whenServing(container);
  await using plane = await startControlPlane(url, TOKEN);
  await driveWithJavaScript({ apiKey: plane.apiKey, apiUrl: plane.url, sandboxUrl: url }, LANGUAGES);
  const headers = { "X-Access-Token": TOKEN };
  const code = "process.env.LD_LIBRARY_PATH ?? 'no variable'";
  const cell = await fetch(`${url}/v1/code/javascript`, { method: "POST", headers, body: code });
  expect(await cell.text()).toBe("'no variable'\n");
  expect((await container.stop()).status).toBe("0");
});

test("refuses a system of musl in one line", async () => {
  const tag = "localhost/guestd-on:musl";
  await buildOver("bookworm", tag, [
    "RUN apt-get update && apt-get install -y --no-install-recommends busybox-static musl",
    "FROM scratch",
    "COPY --from=0 /bin/busybox /bin/sh",
    `COPY --from=0 /lib/ld-musl-${PROCESSOR}.so.1 /lib/`,
    `COPY --from=0 /lib/${PROCESSOR}-linux-musl /lib/${PROCESSOR}-linux-musl`,
    'RUN ["/bin/sh", "-c", "busybox mkdir /proc /sys /dev /etc /tmp; busybox --install /bin"]',
    `COPY --from=${ARTEFACT} /opt/guestd /opt/guestd`,
  ]);
  await using container = await startContainer(tag, { command: [...TINI, "sh", "-c", `${GUESTD}; sleep 600`] });
  await until(async () => (await container.logs()) !== "");
  expect(await container.logs()).toMatch(/^guestd: needs glibc 2\.28 or newer, .*musl.*$/);
});

function asUser(uid: number, ...options: string[]): string[] {
  const ids = ["--reuid", `${uid}`, "--regid", `${uid}`, "--clear-groups"];
  return ["setpriv", ...ids, ...options, "env", "HOME=/home/plain"];
}

async function whenServing(container: Container): Promise<string> {
  const url = `http://${container.address}:49983`;
  const isHealthy = (): Promise<boolean> =>
    fetch(`${url}/health`).then(
      ({ status }) => status === 204,
      () => false,
    );
  await until(isHealthy, 30_000);
  return url;
}

/** Programs whose parents are gone, and whose parents' shim is: they become children of process 1, and end. */
async function leaveOrphans(url: string): Promise<void> {
  const script = "for i in 1 2 3 4 5; do setsid sh -c 'sleep 0.2' & done";
  const answer = await fetch(`${url}/v1/run`, {
    method: "POST",
    headers: { "X-Access-Token": TOKEN },
    body: script,
  });
  expect(answer.status).toBe(200);
  await answer.text();
}

async function zombies(container: Container): Promise<string> {
  return container.exec(["sh", "-c", "grep -ls '^State:\\sZ' /proc/[0-9]*/status || true"]);
}
