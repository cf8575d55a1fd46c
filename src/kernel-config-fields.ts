import type { ConfigField } from "./config-field.ts";

/** Settings of code contexts and the kernels behind them. */
export interface KernelConfigValues {
  kernels: readonly string[] | undefined;
  preload: readonly string[];
  spareKernels: number;
  maxContexts: number;
  contextIdleSeconds: number;
  lowMemoryPercent: number;
  lowMemoryContexts: "create" | "refuse" | "evict";
  cellOutputBytes: number;
}

const MIB = 1024 * 1024;

export const KERNEL_FIELDS: Readonly<Record<keyof KernelConfigValues, ConfigField>> = {
  kernels: {
    flag: "kernels",
    env: "GUESTD_KERNELS",
    kind: "list",
    unit: "language",
    default: undefined,
    defaultText: "every language that works here",
    help: "languages to offer; repeatable, or separated by commas",
  },
  preload: {
    flag: "preload",
    env: "GUESTD_PRELOAD",
    kind: "list",
    unit: "module",
    default: ["numpy", "pandas", "matplotlib"],
    defaultText: "numpy,pandas,matplotlib where installed",
    help: "what fork servers (Python has one) import ahead of time",
  },
  spareKernels: {
    flag: "spare-kernels",
    env: "GUESTD_SPARE_KERNELS",
    kind: "integer",
    unit: "count",
    min: 0,
    max: 16,
    default: 1,
    help: "kernels of a language that are kept ready, where that saves much; none while memory is short",
  },
  maxContexts: {
    flag: "max-contexts",
    env: "GUESTD_MAX_CONTEXTS",
    kind: "integer",
    unit: "count",
    min: 1,
    max: 100_000,
    default: 100,
    help: "code contexts that there can be at a time; the default one of each language counts",
  },
  contextIdleSeconds: {
    flag: "context-idle-seconds",
    env: "GUESTD_CONTEXT_IDLE_SECONDS",
    kind: "integer",
    unit: "seconds",
    min: 0,
    max: 365 * 24 * 3600,
    default: 0,
    help: "a code context that has run no cell for so long is removed with its state; 0 keeps it",
  },
  lowMemoryPercent: {
    flag: "low-memory-percent",
    env: "GUESTD_LOW_MEMORY_PERCENT",
    kind: "integer",
    unit: "percent",
    min: 0,
    max: 90,
    default: 10,
    help: "memory is short when less than this share of it is available: no kernel is kept ready then",
  },
  lowMemoryContexts: {
    flag: "low-memory-contexts",
    env: "GUESTD_LOW_MEMORY_CONTEXTS",
    kind: "choice",
    unit: "what",
    choices: ["create", "refuse", "evict"],
    default: "create",
    help: "when a context is asked for while memory is short: create it, refuse, or remove the one that is idle longest first",
  },
  cellOutputBytes: {
    flag: "cell-output-bytes",
    env: "GUESTD_CELL_OUTPUT_BYTES",
    kind: "integer",
    unit: "bytes",
    min: 1024,
    max: 1024 * 1024 * MIB,
    default: 256 * MIB,
    help: "text and results of one cell; it is told on stderr that the rest is left out",
  },
};
