import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempDisposableSync, readFileSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { namespaceFor } from "../helpers/namespaces.ts";
import { post } from "../helpers/native-runs.ts";
import { skipTest } from "../helpers/skip.ts";
import { endServed, MAIN, serve } from "../unit/config/daemon-process.ts";

afterEach(endServed);

/** Puts copies of what `/init` changes in its place, for the program that follows and what it starts. */
const ON_COPIES = `
set -e
copies=$1; shift
for path in /etc/ssl/certs /usr/local/share /etc/ca-certificates; do
  mkdir -p "$copies$path"; cp -a "$path/." "$copies$path/"; mount --bind "$copies$path" "$path"
done
cp /etc/hosts "$copies/hosts"; mount --bind "$copies/hosts" /etc/hosts
mount -t tmpfs none /run
exec "$@"
`;

/** A certificate for localhost, signed by itself, with its key. */
function makeCertificate(folder: string, name: string): { key: string; cert: string } {
  mkdirSync(join(folder, name));
  const [key, cert] = [join(folder, name, "key.pem"), join(folder, name, "cert.pem")];
  const subject = ["-subj", `/CN=${name}`, "-addext", "subjectAltName=DNS:localhost"];
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  spawnSync("openssl", ["req", "-x509", ...curve, "-days", "2", ...subject, "-keyout", key, "-out", cert]);
  return { key: readFileSync(key, "utf8"), cert: readFileSync(cert, "utf8") };
}

/** Serves `ok` on https://localhost. */
async function serveOver(tls: { key: string; cert: string }): Promise<AsyncDisposable & { port: number }> {
  const server = createServer(tls, (_request, answer) => answer.end("ok"));
  server.listen(0, "localhost");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

/** What a test must leave as it is. */
const machine = (): unknown[] => [
  readFileSync("/etc/hosts"),
  readFileSync("/etc/ssl/certs/ca-certificates.crt"),
  existsSync("/run/e2b"),
];

test("programs of a machine go by what /init has set", async (context) => {
  const namespace = namespaceFor(context, "--mount");
  for (const needed of ["openssl", "curl", "update-ca-certificates"])
    if (spawnSync("which", [needed]).status !== 0) skipTest(context, `there is no ${needed}`);
  using place = mkdtempDisposableSync(join(tmpdir(), "guestd-machine-"));
  const before = machine();
  const [first, second] = [makeCertificate(place.path, "first"), makeCertificate(place.path, "second")];
  await using server = await serveOver(first);
  const { url } = await serve(["--identity-dir=/run/e2b", "--sandbox-id=box-7"], {}, [
    namespace[0] ?? "",
    ...namespace.slice(1),
    "sh",
    "-c",
    ON_COPIES,
    "sh",
    join(place.path, "copies"),
    process.execPath,
    MAIN,
  ]);
  const init = async (body: object): Promise<number> => (await post(url, "/init", body)).status;
  const run = async (shell: string): Promise<string> => {
    const headers = { "Content-Type": "application/json", Accept: "text/plain" };
    const body = JSON.stringify({ shell, user: "root" });
    return (await (await fetch(`${url}/v1/run`, { method: "POST", headers, body })).text()).trim();
  };
  const ask = `curl -s --noproxy '*' https://localhost:${server.port} || echo " $?"`;
  expect(await run("cat /run/e2b/.E2B_SANDBOX /run/e2b/.E2B_SANDBOX_ID")).toBe("truebox-7");
  expect(await run(ask)).toBe("60"); // a certificate of nobody's

  expect(await init({ hyperloopIP: "192.0.2.7", caBundle: first.cert })).toBe(204);
  expect(
    await run(
      "getent hosts events.e2b.local | cut -d' ' -f1; getent hosts localhost > /dev/null && echo $E2B_EVENTS_ADDRESS",
    ),
  ).toBe("192.0.2.7\nhttp://192.0.2.7");
  expect(await run(ask)).toBe("ok");
  // Whoever installs another certificate writes the bundle anew.
  expect(await run("update-ca-certificates > /dev/null 2>&1; echo $?")).toBe("0");
  expect(await run(ask)).toBe("ok");
  expect(await init({ hyperloopIP: "192.0.2.8", caBundle: second.cert })).toBe(204);
  expect(await run("getent ahostsv4 events.e2b.local | cut -d' ' -f1 | sort -u")).toBe("192.0.2.8");
  expect(await run(ask)).toBe("60");

  // The system's own mount has no such volume, and says so.
  const volumeMounts = [{ nfs_target: "127.0.0.1:/none", path: "/run/volume" }];
  const answer = await post(url, "/init", { volumeMounts });
  expect([answer.status, await answer.text()]).toEqual([
    400,
    expect.stringMatching(/^cannot mount "127.0.0.1:\/none" at "\/run\/volume": ./),
  ]);
  expect(machine()).toEqual(before);
});
