import { X509Certificate } from "node:crypto";
import { dirname } from "node:path";
import { SandboxError } from "../errors.ts";
import { makeDirectoriesInPool } from "../lib/make-directories.ts";
import { readSystemFile, replaceSystemFile } from "./system-file.ts";

/** Where Debian and its kin keep the certificates that programs trust. */
export interface TrustPlaces {
  /** All of them in one file, which `update-ca-certificates` writes anew from what is installed. */
  bundle: string;
  /** Ours among those that are installed besides the distribution's. */
  added: string;
}

export const DEBIAN_TRUST: TrustPlaces = {
  bundle: "/etc/ssl/certs/ca-certificates.crt",
  added: "/usr/local/share/ca-certificates/e2b-ca.crt",
};

/** Each takes a moment to parse. */
const MAX_CERTIFICATES = 100;
/** Set our text apart: the same certificate of the distribution's must stay when ours goes, and ours is found by nothing else. */
const HEADING = "# certificates that /init of guestd has brought\n";
const ENDING = "# end of the certificates that /init of guestd has brought\n";
const CERTIFICATE = "-----BEGIN CERTIFICATE-----\n[A-Za-z0-9+/=\n]+-----END CERTIFICATE-----\n";
const OURS = new RegExp(`${HEADING}(?:${CERTIFICATE})*${ENDING}`, "g");

/**
 * The certificates of a PEM text, and nothing else that is in it; `what` is how the caller calls the text.
 * @throws SandboxError invalid_argument when there is none, or one that cannot be read, or a key
 */
export function readCertificates(pem: string, what: string): string {
  const blocks = pem.match(/-----BEGIN [^-\n]*-----[^-]*-----END [^-\n]*-----/g) ?? [];
  if (blocks.length === 0) throw new SandboxError("invalid_argument", `${what} holds no certificate in PEM form`);
  if (blocks.length > MAX_CERTIFICATES) {
    const message = `${what} holds ${blocks.length} certificates; ${MAX_CERTIFICATES} are the most`;
    throw new SandboxError("invalid_argument", message);
  }
  return blocks.map((block, index) => `${certificateOf(block, `part ${index + 1} of ${what}`)}\n`).join("");
}

function certificateOf(block: string, what: string): string {
  try {
    // Written as OpenSSL does, whatever the line breaks were.
    if (block.startsWith("-----BEGIN CERTIFICATE-----")) return new X509Certificate(block).toString().trim();
  } catch {
    // Told below; the parser's own words are of no help to anybody.
  }
  throw new SandboxError("invalid_argument", `${what} is no certificate`);
}

/**
 * Makes programs trust `certificates` (as {@link readCertificates} gives them) besides the distribution's, instead of those of an earlier call.
 * Resolves with false when there is no bundle to put them into: they are then only where `update-ca-certificates` finds them.
 * @throws the system error
 */
export async function trust({ bundle, added }: TrustPlaces, certificates: string): Promise<boolean> {
  const text = HEADING + certificates + ENDING;
  const [trusted, earlier] = await Promise.all([readSystemFile(bundle), readSystemFile(added)]);
  if (trusted !== undefined) {
    const after = withText(trusted, text);
    if (after !== trusted) await replaceSystemFile(bundle, after);
  }
  if (earlier !== text) {
    await makeDirectoriesInPool(dirname(added));
    await replaceSystemFile(added, text);
  }
  return trusted !== undefined;
}

/** Where it is already it stays, which may be anywhere. */
function withText(trusted: string, text: string): string {
  const [first, ...more] = trusted.match(OURS) ?? [];
  if (first === text && more.length === 0) return trusted;
  const rest = trusted.replace(OURS, "");
  return `${rest}${rest === "" || rest.endsWith("\n") ? "" : "\n"}${text}`;
}
