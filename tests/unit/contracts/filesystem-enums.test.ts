import { expect, test } from "vitest";
import { EventType, FileType } from "../../../src/contracts/filesystem-enums.ts";
import * as generated from "../../../src/contracts/gen/filesystem_pb.js";

test.each([
  ["FileType", FileType, generated.FileType],
  ["EventType", EventType, generated.EventType],
])("%s has the names and numbers of the contract", (_, plain, { ...numbersAndNames }) => {
  const numbers = Object.entries(numbersAndNames).filter(([, value]) => typeof value === "number");
  expect(plain).toEqual(Object.fromEntries(numbers));
});
