import { expect, test } from "vitest";
import { kernelUuid } from "../../../src/lib/uuid.ts";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

test.each([undefined, "/nowhere/uuid"])("a UUID is another one each time, be it the kernel's or not (%s)", (source) => {
  const made = new Set(Array.from({ length: 100 }, () => kernelUuid(source)));
  expect(made.size).toBe(100);
  for (const uuid of made) expect(uuid).toMatch(UUID);
});
