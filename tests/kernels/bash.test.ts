import { expect, test } from "vitest";
import { CodeSession } from "../helpers/code-contexts.ts";
import { startTestDaemon } from "../helpers/daemon.ts";

test("after a resume a shell whose RANDOM was seeded draws what no copy draws", async () => {
  await using daemon = await startTestDaemon({ kernels: "real", argv: ["--kernels", "bash"] });
  await using session = await CodeSession.open(daemon.url, { language: "bash" });
  await session.run("RANDOM=1");
  const seeded = await session.value("echo $RANDOM $RANDOM $RANDOM");
  await session.run("RANDOM=1");
  expect((await daemon.fetch("/init", { method: "POST", body: "{}" })).status).toBe(204);
  const fresh = await session.value("echo $RANDOM $RANDOM $RANDOM");
  expect(fresh).toMatch(/^\d+ \d+ \d+\n$/);
  expect(fresh).not.toBe(seeded);
  // Whoever seeds it again after that gets what that seed gives.
  await session.run("RANDOM=1");
  expect(await session.value("echo $RANDOM $RANDOM $RANDOM")).toBe(seeded);
});
