/** A name and a password (or token) for one server. */
export interface Credentials {
  username: string;
  password: string;
  /** The only server that may have them, with its port unless that is the usual one; that of the call's address unless given. */
  host?: string | undefined;
}

/** Credentials with the only place that may have them. */
export interface BoundCredentials extends Credentials {
  /** `https:` */
  protocol: string;
  /** With its port, unless that is the protocol's usual one. */
  host: string;
}

/** `name@host:port`, with nothing that some readers of addresses take for the end of it and others do not. */
const AUTHORITY = /^(?:[^@/\\?#'\s]*@)?([^@/\\?#'%\s\p{Cc}]+)$/u;

/** As `http.extraHeader` may have it. */
const AUTHORIZATION = /^(\s*(?:proxy-)?authorization\s*:\s*)\S.*$/is;
/** `sendemail.smtpPass`, `github.token` … */
const SECRET_KEY = /(?:pass(?:word|wd)?|token|secret)$/i;

/**
 * The answer to a question of git's (`Password for 'https://name@host': `), or undefined: a secret goes to the protocol, host and
 * port that it was given for and to nobody else, whatever a redirect, a submodule or a setting made git ask for.
 */
export function answerTo(prompt: string, credentials: BoundCredentials): string | undefined {
  const [, what, protocol = "", rest = ""] = /^(Username|Password) for '(https?:)\/\/(.+)': ?$/s.exec(prompt) ?? [];
  if (what === undefined || protocol !== credentials.protocol) return undefined;
  // Many a git does not escape the name in its question. Ours may be any; in another's, a / or # would hide the true host.
  const name = `${credentials.username}@`;
  const [, host = ""] = AUTHORITY.exec(rest.startsWith(name) ? rest.slice(name.length) : rest) ?? [];
  if (URL.parse(`${protocol}//${host}`)?.host !== credentials.host) return undefined;
  return what === "Username" ? credentials.username : credentials.password;
}

/** `text` with `***` for what stands before the last `@` of an address in it, all of which may be a secret; for ssh it is a name. */
export function withoutUserinfo(text: string): string {
  return text.replaceAll(/\b(\w+):\/\/([^/\s]+)@/g, (address, protocol: string, userinfo: string) =>
    protocol.endsWith("ssh") && !userinfo.includes(":") ? address : `${protocol}://***@`,
  );
}

/** Whether a setting holds a secret: in an address, in a header, or by its name. */
export function isSecret(key: string, value: string): boolean {
  const shown = withoutSecrets({ key, value });
  return shown.key !== key || shown.value !== value;
}

/** A setting as it is shown. */
export function withoutSecrets({ key, value }: { key: string; value: string }): { key: string; value: string } {
  if (value !== "" && SECRET_KEY.test(key)) return { key: withoutUserinfo(key), value: "***" };
  return { key: withoutUserinfo(key), value: withoutUserinfo(value).replace(AUTHORIZATION, "$1***") };
}

/** `text` without the secret and without whatever stands before the `@` of an address. */
export function redacted(text: string, credentials: Credentials | undefined): string {
  const secrets = [credentials?.password, encodeURIComponent(credentials?.password ?? "")].filter((secret) => secret);
  return withoutUserinfo(secrets.reduce<string>((rest, secret) => rest.replaceAll(secret ?? "", "***"), text));
}
