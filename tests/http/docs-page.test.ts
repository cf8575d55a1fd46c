import { createHash } from "node:crypto";
import { Browser, type HTMLElement, type HTMLInputElement } from "happy-dom";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTestDaemon, type TestDaemon, until } from "../helpers/daemon.ts";

const TOKEN = "docs-token-0123456789";
let daemon: TestDaemon;
let gated: TestDaemon;
beforeAll(async () => {
  [daemon, gated] = await Promise.all([startTestDaemon(), startTestDaemon({ env: { GUESTD_TOKEN: TOKEN } })]);
});
afterAll(async () => Promise.all([daemon[Symbol.asyncDispose](), gated[Symbol.asyncDispose]()]));

interface Paths {
  paths: Record<string, Record<string, { operationId: string; summary: string }>>;
}

async function operationsOf(headers: Record<string, string>, { url }: TestDaemon): Promise<[string, string][]> {
  const { paths } = (await (await fetch(`${url}/openapi.json`, { headers })).json()) as Paths;
  return Object.values(paths).flatMap((methods) =>
    Object.values(methods).map(({ operationId, summary }): [string, string] => [operationId, summary]),
  );
}

/** The page in a browser without a screen, with its script running. */
async function open({ url }: TestDaemon) {
  const browser = new Browser({
    settings: { enableJavaScriptEvaluation: true, suppressInsecureJavaScriptEnvironmentWarning: true },
  });
  const page = browser.newPage();
  await page.goto(`${url}/docs`);
  await page.waitUntilComplete();
  const { document } = page.mainFrame.window;
  const find = (selector: string) => [...document.querySelectorAll(selector)];
  return { page, document, find, [Symbol.asyncDispose]: () => browser.close() };
}

describe("the page", () => {
  test("needs nothing from elsewhere, and says nothing of this machine", async () => {
    const response = await daemon.fetch("/docs");
    const html = await response.text();
    expect([response.status, response.headers.get("content-type")]).toEqual([200, "text/html; charset=UTF-8"]);
    expect(html).not.toMatch(/https?:\/\/|url\(|@import|\bsrc=/);
    expect(html.match(/(?:href|action)="[^"]*"/g)).toEqual(['href="data:,"', 'href="openapi.json"']);
    expect(html).toBe(await (await gated.fetch("/docs")).text());
    expect(html.length).toBeLessThan(20_000);
  });

  test("runs its own script only, and speaks to this daemon only", async () => {
    const response = await daemon.fetch("/docs");
    const html = await response.text();
    const hash = (tag: string): string => {
      const text =
        html
          .split(`<${tag}`)[1]
          ?.split(`</${tag}>`)[0]
          ?.replace(/^[^>]*>/, "") ?? "";
      return `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
    };
    const policy = Object.fromEntries(
      (response.headers.get("content-security-policy") ?? "").split("; ").map((rule) => rule.split(/ (.*)/)),
    ) as Record<string, string>;
    expect(policy).toEqual({
      "default-src": "'none'",
      "script-src": hash("script"),
      "style-src": hash("style"),
      "connect-src": "'self'",
      "img-src": "data:",
      "base-uri": "'none'",
      "form-action": "'none'",
      "frame-ancestors": "'none'",
    });
    expect(html).not.toMatch(/ style=| on\w+=|innerHTML|eval\(/);
  });
});

describe("in a browser", () => {
  test("shows every operation, and hides what is not looked for", async () => {
    await using view = await open(daemon);
    const shown = view
      .find("details")
      .map((one): [string, string] => [one.id, one.querySelector("summary span")?.textContent ?? ""]);
    const expected = await operationsOf({}, daemon);
    expect(new Map(shown)).toEqual(new Map(expected));
    expect(shown.length).toBe(expected.length);
    const run = view.document.getElementById("postV1Run")?.textContent ?? "";
    for (const part of [
      'curl "$G/v1/run" --json',
      "Idempotency-Key",
      "timeoutMs",
      "application/problem+json",
      "exitCode",
    ])
      expect(run).toContain(part);
    expect(view.document.querySelector("h1")?.textContent).toMatch(/^guestd \d+\.\d+\.\d+$/);

    const input = view.find("#find")[0] as HTMLInputElement;
    input.value = "terminal resize";
    input.dispatchEvent(new view.page.mainFrame.window.Event("input"));
    const visible = view.find("details").filter((one) => !(one as HTMLElement).hidden);
    expect(visible.map(({ id }) => id)).toContain("postV1RunsByIdResize");
    expect(visible.map(({ id }) => id)).not.toContain("getMetrics");
  });

  test("asks for the token, and says that one is wrong", async () => {
    await using view = await open(gated);
    expect(view.find("details")).toEqual([]);
    const form = view.find("#access")[0] as HTMLElement;
    const token = view.find("#token")[0] as HTMLInputElement;
    const about = (): string => view.find("#about")[0]?.textContent ?? "";
    expect([form.hidden, about()]).toEqual([false, expect.stringContaining("X-Access-Token")]);
    const enter = async (text: string): Promise<void> => {
      token.value = text;
      form.dispatchEvent(new view.page.mainFrame.window.Event("submit"));
      await view.page.waitUntilComplete();
    };
    await enter("wrong");
    expect([form.hidden, view.find("details").length]).toEqual([false, 0]);
    await enter(TOKEN);
    await until(() => view.find("details").length > 0);
    const expected = await operationsOf({ "X-Access-Token": TOKEN }, gated);
    expect([form.hidden, view.find("details").length]).toEqual([true, expected.length]);
  });
});
