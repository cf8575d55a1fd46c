import { defineConfig } from "vitest/config";

const project = (name: string, include: string[], options: Record<string, unknown> = {}) => ({
  test: { name, include, environment: "node" as const, ...options },
});

export default defineConfig({
  test: {
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // Two files at once would take a third of the time less on two processors, but some tests are of what happens within milliseconds.
    maxWorkers: 1,
    projects: [
      project("unit", ["tests/architecture.test.ts", "tests/unit/**/*.test.ts"], { testTimeout: 30_000 }),
      // On the classes that the daemon has outside tests: the other projects' clients need Node's own.
      project("http", ["tests/http/**/*.test.ts"], {
        testTimeout: 30_000,
        hookTimeout: 60_000,
        setupFiles: ["tests/helpers/plain-classes.ts"],
      }),
      project("curl", ["tests/curl/**/*.test.ts"], { testTimeout: 60_000, hookTimeout: 60_000 }),
      project("kernels", ["tests/kernels/**/*.test.ts"], { testTimeout: 60_000, hookTimeout: 60_000 }),
      project("sdk", ["tests/sdk/**/*.test.ts"], { testTimeout: 120_000, hookTimeout: 120_000 }),
      // Builds images, one after the other (`npm run test:image`).
      project("image", ["tests/image/**/*.test.ts"], {
        testTimeout: 300_000,
        hookTimeout: 1_800_000,
        fileParallelism: false,
      }),
      // Measures memory: one file at a time, and nothing else beside it (`npm run test:soak`).
      project("soak", ["tests/soak/**/*.test.ts"], {
        testTimeout: 1_800_000,
        hookTimeout: 120_000,
        fileParallelism: false,
      }),
    ],
  },
});
