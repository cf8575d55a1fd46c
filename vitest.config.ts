import { defineConfig } from "vitest/config";

/** What takes longer is broken, and not slow: somebody else may be busy on this machine. */
const limits = { testTimeout: 120_000, hookTimeout: 120_000, expect: { poll: { timeout: 20_000 } } };

const project = (name: string, include: string[], options: Record<string, unknown> = {}) => ({
  test: { name, include, environment: "node" as const, ...limits, ...options },
});

export default defineConfig({
  test: {
    // Two files at once would take a third of the time less on two processors, but some tests are of what happens within milliseconds.
    maxWorkers: 1,
    projects: [
      project("unit", ["tests/architecture.test.ts", "tests/unit/**/*.test.ts"]),
      // On the classes that the daemon has outside tests: the other projects' clients need Node's own.
      project("http", ["tests/http/**/*.test.ts"], {
        setupFiles: ["tests/helpers/plain-classes.ts"],
      }),
      project("curl", ["tests/curl/**/*.test.ts"]),
      project("kernels", ["tests/kernels/**/*.test.ts"]),
      // Clients of daemons in processes of their own, which mostly wait for them: two files at a time, and none of the others beside them.
      project("sdk", ["tests/sdk/**/*.test.ts"], { maxWorkers: 2, sequence: { groupOrder: 1 } }),
      // Builds images, one after the other (`npm run test:image`).
      project("image", ["tests/image/**/*.test.ts"], {
        testTimeout: 300_000,
        hookTimeout: 1_800_000,
        fileParallelism: false,
      }),
      // Measures memory: one file at a time, and nothing else beside it (`npm run test:soak`).
      project("soak", ["tests/soak/**/*.test.ts"], {
        testTimeout: 1_800_000,
        fileParallelism: false,
      }),
    ],
  },
});
