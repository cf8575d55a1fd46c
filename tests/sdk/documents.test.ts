import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { REPOSITORY } from "../helpers/daemon.ts";
import { programExamples, runProgram } from "../helpers/program-examples.ts";
import { SDK_PLACES, type SdkPlace } from "../helpers/sdk-place.ts";

/** What the SDKs find in their environment. */
function variablesOf({ options }: SdkPlace): Record<string, string> {
  const { sandboxUrl } = options;
  if ("debug" in options) return { E2B_SANDBOX_URL: sandboxUrl };
  return { E2B_SANDBOX_URL: sandboxUrl, E2B_API_URL: options.apiUrl, E2B_API_KEY: options.apiKey };
}

describe.each(["README.md", "docs/sdk.md"])("%s", (document) => {
  const examples = programExamples(join(REPOSITORY, document));

  describe.each(SDK_PLACES)("%s", (name, start) => {
    const own = examples.filter(({ hasControlPlane }) => hasControlPlane === (name === "with a token"));
    let place: SdkPlace | undefined;
    beforeAll(async () => {
      if (own.length > 0) place = await start({ hasKernels: true });
    });
    afterAll(async () => place?.[Symbol.asyncDispose]());

    test("there are programs in both languages, or none", () => {
      expect(new Set(own.map(({ language }) => language)).size).toBe(own.length > 0 ? 2 : 0);
    });

    test.each(own.map((example) => [`${example.language} at line ${example.line}`, example] as const))(
      "%s",
      async (_name, example) => {
        if (!place) throw new Error("there is no daemon");
        const printed = await runProgram(example, variablesOf(place));
        expect(printed.trimEnd()).toBe((example.expected ?? "").trimEnd());
      },
    );
  });
});
