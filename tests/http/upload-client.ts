import { expect } from "vitest";

/** Headers of an upload whose body is the file itself. */
export const OCTETS = { "Content-Type": "application/octet-stream" };

/** One `POST /files`. */
export function post({ url }: { url: string }, query: Record<string, string>, init: RequestInit): Promise<Response> {
  return fetch(`${url}/files?${new URLSearchParams(query).toString()}`, { method: "POST", ...init });
}

/** An error as `/files` tells it, and nothing else. */
export async function expectError(response: Response, code: number, message: string): Promise<void> {
  expect([response.status, await response.json()]).toEqual([code, { code, message }]);
}
