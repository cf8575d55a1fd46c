import { Hono } from "hono";
import { describe, expect, test } from "vitest";
import { basicUser, Gate, type RouteAccess, requestToken } from "../../../src/edge/gate.ts";
import type { EdgeContext, EdgeEnv } from "../../../src/edge/request-context.ts";
import { Access } from "../../../src/lifecycle/access.ts";

/** What `look` finds in a request with these headers. */
async function inRequest<T>(headers: Record<string, string>, look: (c: EdgeContext) => T): Promise<T> {
  let found: { value: T } | undefined;
  const app = new Hono<EdgeEnv>().get("/", (c) => {
    found = { value: look(c) };
    return c.text("");
  });
  await app.request("/", { headers });
  if (!found) throw new Error("the request did not arrive");
  return found.value;
}

const basic = (text: string): Record<string, string> => ({
  Authorization: `Basic ${Buffer.from(text).toString("base64")}`,
});

async function refusal(
  gate: Gate,
  required: RouteAccess,
  headers: Record<string, string> = {},
): Promise<string | undefined> {
  return inRequest(headers, (c) => {
    try {
      gate.check(c, required);
      return undefined;
    } catch (error) {
      return (error as { reason: string }).reason;
    }
  });
}

const ALL: RouteAccess[] = ["open", "token", "own", "contexts"];

describe("the gate", () => {
  test.each<[string, ConstructorParameters<typeof Access>[0], boolean, (string | undefined)[]]>([
    [
      "without a token lets everybody in",
      { token: undefined, isLocked: false },
      false,
      [undefined, undefined, undefined, undefined],
    ],
    [
      "while locked lets nobody in but to what is open",
      { token: undefined, isLocked: true },
      false,
      [undefined, "not_initialized", "not_initialized", "not_initialized"],
    ],
    [
      "with a token asks for it, but not on contexts or where the route looks itself",
      { token: "t", isLocked: false },
      false,
      [undefined, "token_missing", undefined, undefined],
    ],
    [
      "with a token is not locked even where it would be",
      { token: "t", isLocked: true },
      false,
      [undefined, "token_missing", undefined, undefined],
    ],
    [
      "asks on contexts too when it is strict",
      { token: "t", isLocked: false },
      true,
      [undefined, "token_missing", undefined, "token_missing"],
    ],
  ])("%s", async (_name, options, isStrictInterpreter, reasons) => {
    const gate = new Gate({ access: new Access(options), isStrictInterpreter });
    expect(await Promise.all(ALL.map((required) => refusal(gate, required)))).toEqual(reasons);
  });

  test("opens for the token in either header, and for no other text", async () => {
    const gate = new Gate({ access: new Access({ token: "tok-1", isLocked: false }), isStrictInterpreter: true });
    for (const headers of [
      { "X-Access-Token": "tok-1" },
      { Authorization: "Bearer tok-1" },
      { Authorization: "bearer  tok-1" },
    ]) {
      expect(await refusal(gate, "token", headers)).toBeUndefined();
    }
    for (const wrong of ["tok-2", "tok-1x", "tok-", "TOK-1", "Bearer tok-1"]) {
      expect(await refusal(gate, "token", { "X-Access-Token": wrong })).toBe("token_invalid");
    }
    expect(await refusal(gate, "token", { "X-Access-Token": "" })).toMatch(/^token_/);
    expect(await refusal(gate, "token", basic("tok-1:tok-1"))).toBe("token_missing");
  });
});

describe("the token of a request", () => {
  test("in X-Access-Token wins over the other", async () => {
    expect(await inRequest({ "X-Access-Token": "a", Authorization: "Bearer b" }, requestToken)).toBe("a");
    expect(await inRequest({}, requestToken)).toBeUndefined();
  });
});

describe("the user of a request", () => {
  test.each([
    ["ann:", "ann"],
    ["ann:password", "ann"],
    ["ann:a:b", "ann"],
    [":", ""],
    ["ünï:", "ünï"],
    ["no colon", undefined],
  ])("%j names %j", async (text, user) => {
    expect(await inRequest(basic(text), basicUser)).toBe(user);
  });

  test("is none in other schemes", async () => {
    for (const value of ["Bearer x", "Digest username=x", "Basic", "Basic !!!"]) {
      expect(await inRequest({ Authorization: value }, basicUser)).toBeUndefined();
    }
  });
});

describe("access", () => {
  test("gets a token once, which then stays", () => {
    const access = new Access({ token: undefined, isLocked: true });
    expect(access.state).toBe("locked");
    access.initialize(undefined);
    expect(access.state).toBe("open");
    access.initialize("one");
    expect([access.state, access.isToken("one")]).toEqual(["token", true]);
    access.initialize("one");
    for (const other of ["two", undefined])
      expect(() => access.initialize(other)).toThrowError(expect.objectContaining({ code: "unauthenticated" }));
    expect([access.isToken("one"), access.isToken("two"), access.isToken("")]).toEqual([true, false, false]);
  });

  test("without a token has none that matches", () => {
    expect(new Access({ token: undefined, isLocked: false }).isToken("undefined")).toBe(false);
  });
});
