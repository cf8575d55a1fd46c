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
/** Sets our text apart from the same certificate of the distribution's, which must stay when ours goes. */
const HEADING = "# certificates that /init of guestd has brought\n";

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
  const text = HEADING + certificates;
  const [trusted, earlier] = await Promise.all([readSystemFile(bundle), readSystemFile(added)]);
  if (trusted !== undefined) {
    const after = withText(earlier === undefined || earlier === text ? trusted : without(trusted, earlier), text);
    if (after !== trusted) await replaceSystemFile(bundle, after);
  }
  if (earlier !== text) {
    await makeDirectoriesInPool(dirname(added));
    await replaceSystemFile(added, text);
  }
  return trusted !== undefined;
}

/** Ours is the last of equal texts. */
function without(trusted: string, earlier: string): string {
  const at = earlier === "" ? -1 : trusted.lastIndexOf(earlier);
  return at < 0 ? trusted : trusted.slice(0, at) + trusted.slice(at + earlier.length);
}

function withText(trusted: string, text: string): string {
  if (trusted.includes(text)) return trusted;
  return `${trusted}${trusted === "" || trusted.endsWith("\n") ? "" : "\n"}${text}`;
}
