import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { type Route, route } from "./route.ts";

/** The page and the headers it goes out with. */
interface Page {
  html: string;
  headers: Record<string, string>;
}

/**
 * `GET /docs`: the built page at `file`, which draws `/openapi.json`. It says nothing of this machine and so is open to all (but not while locked);
 * the document is behind the gate, for which the page asks for the token.
 */
export function docsPageRoutes(file: string): Route[] {
  let page: Promise<Page> | undefined;
  return [
    route("GET /docs", { family: "native", access: "own" }, async (c) => {
      page ??= load(file).catch((error: unknown) => {
        page = undefined; // it may be there next time
        throw error;
      });
      const { html, headers } = await page;
      return c.html(html, 200, headers);
    }),
  ];
}

async function load(file: string): Promise<Page> {
  const html = await readFile(file, "utf8");
  return {
    html,
    headers: {
      "Content-Security-Policy": [
        "default-src 'none'",
        `script-src ${hashes(html, "script")}`,
        `style-src ${hashes(html, "style")}`,
        "connect-src 'self'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
      ].join("; "),
      "X-Content-Type-Options": "nosniff",
      "Referrer-Policy": "no-referrer",
      "Cache-Control": "no-cache",
    },
  };
}

/** What stands in the page's elements of that name, as the policy writes it; nothing else runs or styles. */
function hashes(html: string, tag: string): string {
  const parts = [...html.matchAll(new RegExp(`<${tag}\\b[^>]*>([\\s\\S]*?)</${tag}>`, "g"))];
  return parts.map(([, text = ""]) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`).join(" ");
}
