/** Variables that say how programs of a machine reach the network; those of proxies also in lower case. */
const PROXIES = ["HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "ALL_PROXY", "NO_PROXY"];
const CERTIFICATES = [
  "SSL_CERT_FILE",
  "SSL_CERT_DIR",
  "CURL_CA_BUNDLE",
  "REQUESTS_CA_BUNDLE",
  "PIP_CERT",
  "GIT_SSL_CAINFO",
  "NODE_EXTRA_CA_CERTS",
];
/** Their names. */
export const NETWORK_NAMES = [...PROXIES, ...PROXIES.map((name) => name.toLowerCase()), ...CERTIFICATES];

/** Which of them guestd was started with: an image sets them for whatever runs in it. Values may hold passwords. */
export function networkEnv(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(NETWORK_NAMES.flatMap((name) => (env[name] ? [[name, env[name]]] : [])));
}
