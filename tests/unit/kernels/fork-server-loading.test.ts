import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ContextsPlace, resultIn, TOY_ANSWER } from "../../helpers/contexts-place.ts";
import { until } from "../../helpers/daemon.ts";

test("contexts do not wait for a fork server that still loads: those that were not used by then get a kernel that has it all", async () => {
  await using place = new ContextsPlace();
  place.addKernel("forked", `echo '${TOY_ANSWER}'`, {
    isDefault: true,
    forkServer: ["{interpreter}", "{folder}/forker.mjs"],
    spares: "always",
  });
  const loading = join(place.root, "kernels", "forked", "loading");
  writeFileSync(loading, "");
  const contexts = place.open();
  await contexts.createDefaults();
  const used = await contexts.create({ language: "forked" });
  expect(await resultIn(used, "set name kept\nenv LOADED")).toBe("false");
  rmSync(loading);
  const logged = (): unknown[] => place.lines.filter(({ event }) => event === "fork_server.loaded");
  await until(() => logged().length === 1);
  expect(await resultIn(await contexts.default("forked"), "env LOADED")).toBe("true");
  expect(await resultIn(await contexts.create({ language: "forked" }), "env LOADED")).toBe("true");
  expect(await resultIn(used, "env LOADED")).toBe("false");
  expect(await resultIn(used, "get name")).toBe("kept");
  expect(place.lines.filter(({ event }) => event === "kernel.died")).toEqual([]);
});
