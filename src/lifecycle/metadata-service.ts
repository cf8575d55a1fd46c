import { type IncomingMessage, request, type RequestOptions } from "node:http";
import { SandboxError } from "../errors.ts";
import { limitedSignal } from "../lib/abort.ts";
import type { SandboxIds } from "./sandbox-identity.ts";

/** What the platform that runs this micro VM says of it. */
export interface Metadata extends SandboxIds {
  /** SHA-512 of the token that the sandbox is to have, in hexadecimal digits. */
  accessTokenHash?: string | undefined;
}

const TOKEN_SECONDS = 60;
/** It is on this machine's own link and answers in milliseconds. */
const ANSWER_MS = 2000;
const MAX_ANSWER_CHARACTERS = 64 * 1024;

/** The metadata service of Firecracker: a token first, then one JSON object. */
export class MetadataService {
  readonly #base: string;

  constructor(options: { url: string }) {
    this.#base = options.url.replace(/\/$/, "");
  }

  /** @throws SandboxError unavailable when it gives no answer that can be read; the signal's reason when that aborts */
  async read(signal: AbortSignal): Promise<Metadata> {
    using limit = limitedSignal(signal, ANSWER_MS);
    try {
      const token = await ask(`${this.#base}/latest/api/token`, limit.signal, {
        method: "PUT",
        headers: { "X-metadata-token-ttl-seconds": String(TOKEN_SECONDS) },
      });
      const text = await ask(`${this.#base}/`, limit.signal, {
        headers: { "X-metadata-token": token.trim(), Accept: "application/json" },
      });
      return metadataOf(JSON.parse(text));
    } catch (error) {
      signal.throwIfAborted();
      throw new SandboxError("unavailable", `the metadata service at ${this.#base} gives no answer`, { cause: error });
    }
  }
}

/** What `url` answers. Not with `fetch`, which loads an HTTP client of its own (docs/decisions/0037). */
async function ask(url: string, signal: AbortSignal, options: RequestOptions): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  request(url, { ...options, signal, agent: false }, resolve)
    .on("error", reject)
    .end();
  const answer = await promise;
  let text = "";
  for await (const part of answer.setEncoding("utf8") as AsyncIterable<string>) {
    text += part;
    if (text.length > MAX_ANSWER_CHARACTERS) throw new Error(`more than ${MAX_ANSWER_CHARACTERS} characters`);
  }
  if (answer.statusCode !== 200) throw new Error(`status ${answer.statusCode}`);
  return text;
}

function metadataOf(value: unknown): Metadata {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Error("no object");
  const members = new Map<string, unknown>(Object.entries(value));
  const text = (name: string): string | undefined => {
    const member = members.get(name) ?? "";
    // A hash that cannot be read must not be taken for none.
    if (typeof member !== "string" || !/^[^\p{Cc}]{0,256}$/u.test(member))
      throw new Error(`${name} is no line of text`);
    return member || undefined;
  };
  return {
    sandboxId: text("instanceID"),
    templateId: text("envID"),
    teamId: text("teamID"),
    accessTokenHash: text("accessTokenHash"),
  };
}
