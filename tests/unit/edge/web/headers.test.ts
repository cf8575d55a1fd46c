import { expect, test } from "vitest";
import { PlainHeaders } from "../../../../src/edge/web/headers.ts";
import { Random } from "../../../helpers/random.ts";

const NAMES = [
  "Content-Type",
  "content-type",
  "set-cookie",
  "Set-Cookie",
  "Cookie",
  "X-A",
  "x-b",
  "Allow",
  "",
  "a b",
  "ü",
  "__proto__",
  "constructor",
];
const VALUES = [
  "",
  "a",
  " a\t",
  "\r\nb, c ",
  "text/plain; charset=UTF-8",
  "é",
  "€",
  "a\nb",
  "a\0b",
  "\u00a0x",
  "\u000bx",
  "7",
  "a\r\nset-cookie: b",
];
const SEED = 37;
const ROUNDS = 3000;

/** What a call gives, or that it throws a TypeError. */
function outcome(call: () => unknown): unknown {
  try {
    return call();
  } catch (error) {
    return error instanceof TypeError ? "TypeError" : error;
  }
}

function contents(headers: PlainHeaders | Headers): unknown {
  const told: unknown[] = [];
  headers.forEach((value, name, parent) => told.push([name, value, parent === headers]));
  return [
    [...headers],
    [...headers.entries()],
    [...headers.keys()],
    [...headers.values()],
    headers.getSetCookie(),
    told,
  ];
}

test("are what Node's are, whatever is done to them", () => {
  const random = new Random(SEED);
  for (let round = 0; round < ROUNDS; round += 1) {
    const both = [new PlainHeaders(), new Headers()] as const;
    for (let step = 0; step < 8; step += 1) {
      const verb = random.pick(["append", "append", "set", "delete", "get", "has"] as const);
      const name = random.pick(NAMES);
      const value = random.pick(VALUES);
      const [ours, theirs] = both.map((headers) => outcome(() => headers[verb](name, value)));
      expect([verb, name, value, ours]).toEqual([verb, name, value, theirs]);
    }
    expect(contents(both[0])).toEqual(contents(both[1]));
  }
});

test("are made from names and values, from pairs, and from others", () => {
  const record = { "X-B": "2", "x-a": " 1 ", "Set-Cookie": "c=d" };
  const pairs = [...Object.entries(record), ["set-cookie", "e=f"] as [string, string]];
  expect(contents(new PlainHeaders(record))).toEqual(contents(new Headers(record)));
  expect(contents(new PlainHeaders(pairs))).toEqual(contents(new Headers(pairs)));
  expect(contents(new PlainHeaders(new Headers(pairs)))).toEqual(contents(new Headers(pairs)));
  expect(contents(new PlainHeaders(new PlainHeaders(pairs)))).toEqual(contents(new Headers(pairs)));
});

test("a value may have any number of spaces in it, which no caller waits for", () => {
  const value = `a${" ".repeat(200_000)}b`;
  const headers = new PlainHeaders({ "x-a": `\t ${value}\r\n` });
  headers.append("x-b", value);
  headers.set("x-c", ` ${value} `);
  expect([...headers.values()].every((found) => found === value)).toBe(true);
  expect(headers.get("x-d")).toBeNull();
  headers.set("x-d", " ".repeat(200_000));
  expect(headers.get("x-d")).toBe("");
});
