import { networkInterfaces } from "node:os";
import { SandboxError } from "../errors.ts";

/**
 * Guards a daemon that is open to everybody on this machine against web pages: a page may make its visitor's browser send
 * requests here, under a name that points to this machine (DNS rebinding) or from its own origin.
 */
export class HostRule {
  readonly #allowed: ReadonlySet<string>;

  constructor(options: { allowedHosts: readonly string[] }) {
    this.#allowed = new Set(options.allowedHosts.map((name) => name.toLowerCase()));
  }

  /** @throws SandboxError host_not_allowed or origin_not_allowed */
  check(host: string | undefined, origin: string | undefined): void {
    const name = host === undefined ? undefined : hostName(host);
    if (name !== undefined && !isLoopback(name) && !this.#allowed.has(name) && !isOwnAddress(name)) {
      throw new SandboxError("permission_denied", `host ${JSON.stringify(name)} is not a name of this machine`, {
        reason: "host_not_allowed",
        hint: `start guestd with --allowed-host ${name}, or with a token`,
      });
    }
    if (origin === undefined) return;
    const from = originHost(origin);
    if (from !== undefined && (isLoopback(from) || this.#allowed.has(from))) return;
    throw new SandboxError(
      "permission_denied",
      `requests from origin ${JSON.stringify(origin)} are not allowed without a token`,
      {
        reason: "origin_not_allowed",
        hint: "start guestd with a token, or with --allowed-host",
      },
    );
  }
}

/** Name of a `Host` header, without port and brackets, in lower case. */
function hostName(host: string): string {
  return host
    .replace(/:\d*$/, "")
    .replace(/^\[|\]$/g, "")
    .replace(/\.$/, "")
    .toLowerCase();
}

function originHost(origin: string): string | undefined {
  return URL.canParse(origin) ? hostName(new URL(origin).host) : undefined;
}

function isLoopback(name: string): boolean {
  return name === "localhost" || name.endsWith(".localhost") || name === "::1" || /^127\.\d+\.\d+\.\d+$/.test(name);
}

function isOwnAddress(name: string): boolean {
  return Object.values(networkInterfaces()).some((addresses) => addresses?.some(({ address }) => address === name));
}
