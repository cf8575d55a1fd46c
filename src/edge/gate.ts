import { SandboxError } from "../errors.ts";
import type { EdgeContext } from "./request-context.ts";

/**
 * What a route asks of a request once there is a token: nothing (`open`), the token (`token`), or it looks itself
 * (`own`: signed URLs; the page at `/docs`, which asks for the token in the browser). `contexts` is open for the published SDKs, which send no token there, unless told otherwise.
 */
export type RouteAccess = "open" | "token" | "own" | "contexts";

/** Who may do what at this moment; the state machine behind it is the lifecycle's. */
export interface AccessControl {
  /** `locked`: reachable from outside and not initialised yet. */
  readonly state: "token" | "locked" | "open";
  /** Compares in constant time. */
  isToken(candidate: string): boolean;
}

/** Decides whether a request may reach its route. */
export class Gate {
  readonly #access: AccessControl;
  readonly #isStrictInterpreter: boolean;

  constructor(options: { access: AccessControl; isStrictInterpreter: boolean }) {
    this.#access = options.access;
    this.#isStrictInterpreter = options.isStrictInterpreter;
  }

  get state(): AccessControl["state"] {
    return this.#access.state;
  }

  /** @throws SandboxError unauthenticated */
  check(c: EdgeContext, required: RouteAccess): void {
    if (required === "open" || this.#access.state === "open") return;
    if (this.#access.state === "locked") {
      throw new SandboxError("unauthenticated", "envd not initialized", {
        reason: "not_initialized",
        hint: "POST /init first, or start guestd with GUESTD_TOKEN",
      });
    }
    if (required === "own" || (required === "contexts" && !this.#isStrictInterpreter)) return;
    const token = requestToken(c);
    if (token !== undefined && this.#access.isToken(token)) return;
    throw new SandboxError(
      "unauthenticated",
      "unauthorized access, please provide a valid access token or method signing if supported",
      { reason: token === undefined ? "token_missing" : "token_invalid", hint: "send the header X-Access-Token" },
    );
  }
}

/** How a browser, which can set no headers, names the token among the subprotocols of a WebSocket. */
export const TOKEN_PROTOCOL = "guestd.token.";

/** The token of `X-Access-Token`, of `Authorization: Bearer`, or of a WebSocket's subprotocol. */
export function requestToken(c: EdgeContext): string | undefined {
  const header = c.req.header("x-access-token");
  if (header !== undefined) return header;
  const bearer = /^Bearer +(\S+)$/i.exec(c.req.header("authorization") ?? "")?.[1];
  return bearer ?? protocolToken(c.req.header("sec-websocket-protocol"));
}

function protocolToken(header: string | undefined): string | undefined {
  const offered = header?.split(",").map((name) => name.trim());
  return offered?.find((name) => name.startsWith(TOKEN_PROTOCOL))?.slice(TOKEN_PROTOCOL.length);
}

/** The user name of Basic authentication; its password means nothing. */
export function basicUser(c: EdgeContext): string | undefined {
  const encoded = /^Basic +(\S*)$/i.exec(c.req.header("authorization") ?? "")?.[1];
  if (encoded === undefined) return undefined;
  const text = Buffer.from(encoded, "base64").toString("utf8");
  const colon = text.indexOf(":");
  return colon < 0 ? undefined : text.slice(0, colon);
}
