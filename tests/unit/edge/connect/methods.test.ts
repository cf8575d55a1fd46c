import type { DescMethod } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { Filesystem } from "../../../../src/contracts/gen/filesystem_pb.js";
import { Process } from "../../../../src/contracts/gen/process_pb.js";
import { lateMethods } from "../../../../src/edge/connect/methods.ts";

test.each<[string, Record<string, DescMethod>]>([
  ["process.Process", Process.method],
  ["filesystem.Filesystem", Filesystem.method],
])("the methods of %s are called on the wire as their descriptors say", (service, methods) => {
  const late = lateMethods(service, () => methods);
  for (const [name, descriptor] of Object.entries(methods)) {
    const { path, describe } = late[name] ?? {};
    expect([path, describe?.()]).toEqual([`/${descriptor.parent.typeName}/${descriptor.name}`, descriptor]);
  }
});
