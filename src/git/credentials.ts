/** A name and a password (or token) for one server. */
export interface Credentials {
  username: string;
  password: string;
}

/** Credentials with the only place that may have them. */
export interface BoundCredentials extends Credentials {
  /** `https:` */
  protocol: string;
  /** With its port, unless that is the protocol's usual one. */
  host: string;
}

/**
 * The answer to a question of git's (`Password for 'https://name@host': `), or undefined: a secret goes to the protocol, host and
 * port that it was given for and to nobody else, whatever a redirect, a submodule or a setting made git ask for.
 */
export function answerTo(prompt: string, credentials: BoundCredentials): string | undefined {
  const [, what, address = ""] = /^(Username|Password) for '(.+)': ?$/s.exec(prompt) ?? [];
  const url = what === undefined ? undefined : URL.parse(address);
  if (url?.protocol !== credentials.protocol || url.host !== credentials.host) return undefined;
  return what === "Username" ? credentials.username : credentials.password;
}

/** `text` without the secret and without whatever stands before the `@` of an address. */
export function redacted(text: string, credentials: Credentials | undefined): string {
  const secrets = [credentials?.password, encodeURIComponent(credentials?.password ?? "")].filter((secret) => secret);
  const withoutSecrets = secrets.reduce<string>((rest, secret) => rest.replaceAll(secret ?? "", "***"), text);
  return withoutSecrets.replaceAll(/(\w:\/\/)[^/@\s]+@/g, "$1***@");
}
