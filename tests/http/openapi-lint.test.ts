import { createConfig, lintFromString } from "@redocly/openapi-core";
import { expect, test } from "vitest";
import { startTestDaemon } from "../helpers/daemon.ts";

/** A WebSocket has no good answer but 101, which this rule does not know; `openapi.test.ts` looks for one of both. */
const RULES = { "operation-2xx-response": "off" } as const;

async function lint(source: string): Promise<string[]> {
  const config = await createConfig({ extends: ["recommended-strict"], rules: RULES });
  const problems = await lintFromString({ source, absoluteRef: "openapi.json", config });
  return problems.map(({ ruleId, message, location: [place] }) => `${ruleId} at ${place?.pointer}: ${message}`);
}

test("a linter that knows OpenAPI 3.1 finds nothing", async () => {
  await using daemon = await startTestDaemon({ hasInterpreterPort: true });
  const source = await (await daemon.fetch("/openapi.json")).text();
  expect(await lint(source)).toEqual([]);
  expect(await lint(source.replace('"operationId":', '"operationName":'))).not.toEqual([]);
});
