import { SandboxError } from "../errors.ts";
import { type BoundCredentials, type Credentials, hasBareLogin } from "./credentials.ts";

/** Where a repository is fetched from or pushed to. */
export interface Address {
  /** As git gets it: without credentials. */
  url: string;
  protocol: "https" | "http" | "ssh" | "git" | "file";
  credentials: BoundCredentials | undefined;
}

const PROTOCOLS = new Set(["https:", "http:", "ssh:", "git:", "file:"]);
const WITH_CREDENTIALS = new Set(["https:", "http:"]);

/**
 * Reads the address of a repository and takes credentials out of it; those given beside it win.
 * @throws SandboxError invalid_argument for remote helpers (`ext::`), options in disguise, other protocols, credentials where
 *   there is no use for them; permission_denied for a local one that was not asked for
 */
export function readAddress(
  text: string,
  options: { credentials?: Credentials | undefined; allowsFile: boolean },
): Address {
  checkShape(text);
  const address = text.includes("://") ? fromUrl(text) : fromPath(text);
  if (address.protocol === "file" && !options.allowsFile) {
    throw new SandboxError("permission_denied", "repositories of this machine are cloned only when that is asked for", {
      hint: 'add "allowFile": true',
    });
  }
  if (!options.credentials) return address;
  return { ...address, credentials: bind(options.credentials, address.url) };
}

/** `credentials` for the server of `url` and no other. @throws SandboxError invalid_argument; permission_denied when they are for another */
export function bind(credentials: Credentials, url: string): BoundCredentials {
  const parsed = URL.parse(url);
  if (!parsed || !WITH_CREDENTIALS.has(parsed.protocol)) {
    throw new SandboxError("invalid_argument", "credentials are for https and http only", {
      hint: "for ssh use a key of the user's",
    });
  }
  const { username, password, host } = credentials;
  if (/\p{Cc}/u.test(username + password)) {
    throw new SandboxError("invalid_argument", "credentials contain a control character");
  }
  if (host !== undefined && URL.parse(`${parsed.protocol}//${host}`)?.host !== parsed.host) {
    throw new SandboxError("permission_denied", `the credentials are for ${host}, the address is of ${parsed.host}`);
  }
  return { username, password, protocol: parsed.protocol, host: parsed.host };
}

function checkShape(text: string): void {
  if (text.startsWith("-") || /\p{Cc}/u.test(text)) {
    throw new SandboxError("invalid_argument", "the address of the repository begins with - or has control characters");
  }
  if (/^[\w.+-]+::/.test(text)) {
    throw new SandboxError("invalid_argument", "remote helpers such as ext:: are refused");
  }
}

function fromUrl(text: string): Address {
  const url = URL.parse(text);
  // A backslash is a slash to some readers of addresses and not to others: the host must be the same for all.
  if (!url || !PROTOCOLS.has(url.protocol) || text.includes("\\")) {
    throw new SandboxError("invalid_argument", "the address of the repository is no URL that git may use", {
      hint: "https, http, ssh and git are allowed; file when asked for",
    });
  }
  if (url.hostname.startsWith("-")) throw new SandboxError("invalid_argument", "a host does not begin with -");
  const protocol = url.protocol.slice(0, -1) as Address["protocol"];
  if (!WITH_CREDENTIALS.has(url.protocol)) {
    if (url.password !== "") throw new SandboxError("invalid_argument", `${protocol} takes no password in its address`);
    return { url: text, protocol, credentials: undefined };
  }
  const found = { username: decode(url.username), password: decode(url.password) };
  const hasCredentials = found.username !== "" || found.password !== "";
  // Only what stands before the last @ of the authority goes; the rest stays as it was written.
  const clean = text.replace(/^([a-z]+:\/\/)[^/?#]*@/i, "$1");
  return { url: clean, protocol, credentials: hasCredentials ? bind(found, clean) : undefined };
}

/** `host:path` as scp writes it, as git tells it apart: a colon before the first slash; anything else is a path. */
function fromPath(text: string): Address {
  if (hasBareLogin(text)) {
    // For git it is a path with an @, at the host that has the name for its own.
    throw new SandboxError(
      "invalid_argument",
      "the address of the repository seems to have a password and no protocol",
      {
        hint: "write https:// before it",
      },
    );
  }
  const [, host] = /^([^/:]+|\[[^/]+\]|[^/:]+@\[[^/]+\]):/.exec(text) ?? [];
  if (host === undefined) return { url: text, protocol: "file", credentials: undefined };
  if (/(^|@)-/.test(host)) throw new SandboxError("invalid_argument", "a host does not begin with -");
  return { url: text, protocol: "ssh", credentials: undefined };
}

/** As git and curl do it: a % that begins no number stands for itself. */
function decode(text: string): string {
  return text.replaceAll(/(?:%[\da-f]{2})+/gi, (escaped) => {
    try {
      return decodeURIComponent(escaped);
    } catch {
      return escaped; // no UTF-8
    }
  });
}
