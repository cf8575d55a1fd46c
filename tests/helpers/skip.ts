import type { TestContext } from "vitest";

declare module "vitest" {
  interface TaskMeta {
    /** Why the test was skipped, for the end of `npm test`. */
    skipReason?: string;
  }
}

/** Skips the test where this machine lacks what it needs, and has `npm test` say what that is. */
export function skipTest(context: TestContext, reason: string): never {
  context.task.meta.skipReason = reason;
  context.skip(reason);
}
