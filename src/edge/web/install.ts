import { PlainHeaders } from "./headers.ts";
import { PlainRequest, PlainResponse } from "./messages.ts";

/**
 * Node has the classes of the fetch standard in its HTTP client, and loads all of that when one of them is first looked at: 10 ms of each start,
 * for a server that asks nobody anything. Assigning to these names does not look at them. To be called before Hono and its adapter are loaded.
 */
export function installPlainClasses(): void {
  const web = globalThis as Record<string, unknown>;
  web["Headers"] = PlainHeaders;
  web["Request"] = PlainRequest;
  web["Response"] = PlainResponse;
  // The adapter brings one along where there is none.
  web["CloseEvent"] = undefined;
}
