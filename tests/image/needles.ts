import { globSync, mkdtempDisposableSync, readFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { rootCertificates } from "node:tls";
import { REPOSITORY } from "../helpers/daemon.ts";
import { writeSecrets } from "./container.ts";

/** A text that gives away the machine that an image was built on. */
export interface Needle {
  /** May be shown, unlike the text; part of a file's name. */
  what: string;
  text: string;
}

const NOT_TELLING = ["registry.npmjs.org", "pypi.org", "files.pythonhosted.org", "localhost", "127.0.0.1", "[::1]"];
/** Certificates that images have of their own distribution. */
const PUBLIC_CERTIFICATES = "/usr/share/ca-certificates/mozilla/*.crt";
const PROXIES = ["http_proxy", "https_proxy", "all_proxy"].flatMap((name) => [name, name.toUpperCase()]);

/** What must not be in an image: this machine's folders, and all that build-image.sh tells a build of the way to its registries. */
export function needles(): Needle[] {
  using folder = mkdtempDisposableSync(join(tmpdir(), "guestd-needles-"));
  writeSecrets(folder.path);
  const read = (name: string): string => readFileSync(join(folder.path, name), "utf8");
  const lines = `${read("npmrc")}\n${read("pipconf")}`.split("\n").filter((line) => /^[^[]/.test(line));
  const urls = [...lines.flatMap((line) => line.match(/https?:\/\/\S+/g) ?? []), ...proxies()];
  return [
    { what: "sources", text: REPOSITORY },
    { what: "cache of bases", text: cacheFolder() },
    // As build-image.sh calls it.
    { what: "folder of secrets", text: "guestd-secrets." },
    ...ownCertificates(read("ca")).map((text) => ({ what: "certificate", text })),
    ...lines.filter((line) => !isPublic(line)).map((text) => ({ what: "setting", text })),
    ...urls.map((text) => new URL(text)).flatMap(ofUrl),
  ];
}

function ofUrl({ host, hostname, username, password }: URL): Needle[] {
  return [
    ...(NOT_TELLING.includes(hostname) ? [] : [{ what: "host", text: host }]),
    ...(username || password ? [{ what: "credentials", text: password || username }] : []),
  ];
}

const isPublic = (line: string): boolean => NOT_TELLING.some((host) => line.includes(`//${host}`));

/** Where build-image.sh and make-base.sh keep what they have made. */
function cacheFolder(): string {
  const { IMAGE_CACHE, XDG_CACHE_HOME } = process.env;
  return IMAGE_CACHE || join(XDG_CACHE_HOME || join(homedir(), ".cache"), "guestd-image");
}

/** buildah hands these variables on to what a Dockerfile runs. */
function proxies(): string[] {
  const values = PROXIES.map((name) => process.env[name] ?? "").filter((value) => value !== "");
  return values.map((value) => (value.includes("://") ? value : `http://${value}`));
}

/** A line each, of the signature, of the certificates that are this machine's alone: others begin with the same bytes. */
function ownCertificates(bundle: string): string[] {
  const files = globSync(PUBLIC_CERTIFICATES).map((file) => readFileSync(file, "utf8"));
  const known = new Set([...rootCertificates, ...files].flatMap(certificatesOf).map((lines) => lines.join("")));
  const own = certificatesOf(bundle).filter((lines) => !known.has(lines.join("")));
  // The last whole one.
  return own.map((lines) => lines.at(-2) ?? lines.join(""));
}

/** Each one's lines of Base64. */
function certificatesOf(text: string): string[][] {
  const bodies = [...text.matchAll(/-----BEGIN CERTIFICATE-----([^-]+)-----END/g)];
  return bodies.map(([, body = ""]) => body.trim().split(/\s+/));
}
