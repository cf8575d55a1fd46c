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

/** Wherever it stands. */
const AUTHORIZATION = /^(\s*(?:proxy-)?authorization\s*:\s*)\S.*$/is;
/** A header is for a server that asks who comes: `Authorization`, `Private-Token`, `Cookie` … */
const HEADER_KEY = /\.extraheader$/i;
const HEADER = /^(\s*[\w-]+\s*:\s*)?.+$/s;
/** `sendemail.smtpPass`, `github.oauthToken` … but neither a program that asks for one, nor whether a key has one. */
const SECRET_WORD = /pass(?!wordprotected$)|token|secret|apikey|api-key/i;
const SETTING_NAME = /\.(?!askpass$)[a-z\d-]+$/i;
/** Whose values are addresses, with or without `https://`. */
const ADDRESS_KEY = /\.(?:url|pushurl|insteadof|pushinsteadof)$/i;
/** `name:password@`: of a server that is reached by ssh nothing with a colon stands there. */
const LOGIN = /^(?!\w+:\/\/)[^@/:\s]*:[^/\s]*@/;
/** Of a proxy the name alone may be a token too. */
const PROXY_KEY = /\.proxy$/i;
const PROXY_LOGIN = /^(?!\w+:\/\/)\S*@/;

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
  return { key: withoutUserinfo(key), value: value === "" ? "" : shownValue(key, value) };
}

function shownValue(key: string, value: string): string {
  if (hasSecretName(key)) return "***";
  if (HEADER_KEY.test(key)) return value.replace(HEADER, "$1***");
  if (PROXY_KEY.test(key)) return withoutUserinfo(value).replace(PROXY_LOGIN, "***@");
  return (ADDRESS_KEY.test(key) ? withoutLogin(value) : withoutUserinfo(value)).replace(AUTHORIZATION, "$1***");
}

/** Key and word are looked for apart: at once they would take time in proportion to the square of a name's length. */
function hasSecretName(key: string): boolean {
  const [name] = SETTING_NAME.exec(key.slice(Math.max(0, key.lastIndexOf(".")))) ?? [];
  return name !== undefined && SECRET_WORD.test(name);
}

/** An address as it is shown, also one that lacks its protocol. */
export function withoutLogin(address: string): string {
  return withoutUserinfo(address).replace(LOGIN, "***@");
}

/** Whether a name and a password stand in an address that has no protocol: `ada:s3cret@example.com/x`. */
export function hasBareLogin(address: string): boolean {
  return LOGIN.test(address);
}

/** `text` without the secret and without whatever stands before the `@` of an address. */
export function redacted(text: string, credentials: Credentials | undefined): string {
  const secrets = [credentials?.password, encodeURIComponent(credentials?.password ?? "")].filter((secret) => secret);
  return withoutUserinfo(secrets.reduce<string>((rest, secret) => rest.replaceAll(secret ?? "", "***"), text));
}
