import { createHash } from "node:crypto";
import { expect } from "vitest";

type Body = NonNullable<RequestInit["body"]>;

/** Requests to `/v1/files` of one daemon; paths are those of the file system. */
export class NativeFiles {
  readonly #url: () => string;

  /** `url` is asked when it is needed: tests start their daemon later. */
  constructor(url: () => string) {
    this.#url = url;
  }

  urlOf(path: string, query = ""): string {
    return `${this.#url()}/v1/files${path.split("/").map(encodeURIComponent).join("/")}${query}`;
  }

  request(method: string, path: string, init: RequestInit = {}, query = ""): Promise<Response> {
    return fetch(this.urlOf(path, query), { method, ...init });
  }

  put(path: string, body: Body, query = "", headers: Record<string, string> = {}): Promise<Response> {
    return this.request("PUT", path, { body, headers }, query);
  }

  patch(path: string, body: Body, range: string, headers: Record<string, string> = {}): Promise<Response> {
    return this.request("PATCH", path, { body, headers: { "Content-Range": range, ...headers } });
  }

  change(path: string, body: object, query = ""): Promise<Response> {
    const headers = { "Content-Type": "application/json" };
    return this.request("POST", path, { body: JSON.stringify(body), headers }, query);
  }
}

/** As `Content-Digest` and `Repr-Digest` have it. */
export function sha256(bytes: string | Buffer): string {
  return `sha-256=:${createHash("sha256").update(bytes).digest("base64")}:`;
}

export async function expectProblem(response: Response, status: number, part: object = {}): Promise<void> {
  expect(await response.json()).toMatchObject({ status, ...part });
  expect([response.status, response.headers.get("content-type")]).toEqual([status, "application/problem+json"]);
}
