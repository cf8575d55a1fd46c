import { Sandbox } from "e2b";
import { afterAll, beforeAll, beforeEach } from "vitest";
import type { SdkOptions, SdkPlace, SdkPlaceOptions } from "../../helpers/sdk-place.ts";

/** One test's place: the sandbox of its file, and a directory of its own in there. */
export interface SandboxPlace {
  sandbox: Sandbox;
  folder: string;
  /** What it was created with. */
  options: SdkOptions;
}

/** Has one sandbox, without kernels, for the tests that are declared behind it; `take` is called before each with a new directory. */
export function onSandbox(
  start: (options: SdkPlaceOptions) => Promise<SdkPlace>,
  take: (place: SandboxPlace) => void,
): void {
  let place: SdkPlace;
  let sandbox: Sandbox;
  beforeAll(async () => {
    place = await start({ hasKernels: false });
    sandbox = await Sandbox.create(place.options);
  });
  afterAll(async () => place?.[Symbol.asyncDispose]());
  beforeEach(async () => {
    const folder = (await sandbox.commands.run("mktemp -d")).stdout.trim();
    take({ sandbox, folder, options: place.options });
  });
}
