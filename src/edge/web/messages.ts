import { PlainHeaders } from "./headers.ts";

/*
 * What Hono and its adapter build their own requests and responses on. Theirs hold what is asked of them; these are left with
 * requests that are made for upgrades, and with responses that say an answer was sent already.
 */

export class PlainRequest {
  readonly url: string;
  readonly method: string;
  readonly headers: PlainHeaders;

  constructor(url: string, { method = "GET", headers }: { method?: string; headers?: PlainHeaders } = {}) {
    this.url = url;
    this.method = method;
    this.headers = new PlainHeaders(headers);
  }
}

export class PlainResponse {
  readonly status: number;
  readonly headers: PlainHeaders;
  readonly body: ReadableStream | null;

  constructor(
    body: string | ArrayBuffer | ReadableStream | null = null,
    init: { status?: number; headers?: PlainHeaders } = {},
  ) {
    this.status = init.status ?? 200;
    this.headers = new PlainHeaders(init.headers);
    this.body = body === null || body instanceof ReadableStream ? body : new Blob([body]).stream();
  }
}
