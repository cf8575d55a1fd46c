import { test } from "vitest";
import { CodeSession } from "../helpers/code-contexts.ts";
import { startTestDaemon } from "../helpers/daemon.ts";
import { signalAtAnyMoment } from "../helpers/random-signals.ts";
import { seedOfThisRun } from "../helpers/random.ts";

test.each(["javascript", "typescript"])(
  "500 interrupts at any moment cost neither a kernel of %s nor its state",
  async (language) => {
    await using daemon = await startTestDaemon({ kernels: "real", argv: ["--kernels", language] });
    await using session = await CodeSession.open(daemon.url, { language });
    const seed = seedOfThisRun();
    console.log(`${language}: GUESTD_SEED=${seed}`);
    await signalAtAnyMoment(session, { times: 500, seed });
  },
);
