import { join } from "node:path";
import type { Config } from "./config.ts";
import { type Capability, findCapabilities } from "./host/capabilities.ts";
import { programPath } from "./host/env.ts";
import { ExecContext } from "./host/exec-context.ts";
import { Launcher } from "./host/launcher.ts";
import { makeStateDirectory, type StateDirectory } from "./host/state-directory.ts";
import { tryPrograms } from "./host/trials.ts";
import { Users } from "./host/users.ts";
import { KernelRegistry, type LanguageState } from "./kernels/registry.ts";

/** Says what works on this machine, and of what does not why and what would help. Without programs nothing else matters. */
export async function runDoctor(config: Config): Promise<{ text: string; isHealthy: boolean }> {
  await using stack = new AsyncDisposableStack();
  const state = stateDirectory(config);
  if ("fix" in state) return { text: missing("state", state).join("\n"), isHealthy: false };
  const { path: stagingFolder } = stack.use(state);
  const exec = new ExecContext({
    users: new Users(),
    path: programPath(config.path),
    defaultUser: config.defaultUser,
    defaultDirectory: config.defaultWorkdir,
    imageEnv: config.imageEnv,
  });
  const fault = exec.defaultUserFault;
  if (fault) return { text: missing("users", fault).join("\n"), isHealthy: false };
  const launcher = stack.use(new Launcher({ shimPath: join(config.root, "dist", "guestd-shim") }));
  const registry = stack.use(
    new KernelRegistry({
      folder: join(config.root, "kernels"),
      preparedFolder: config.preparedDir,
      stagingFolder,
      enabled: config.kernels,
      launcher,
      exec,
    }),
  );
  const tried = await tryPrograms(launcher, exec);
  const seen = await findCapabilities(launcher, exec);
  const capabilities = [...tried, ...seen.filter(({ name }) => tried.every((capability) => capability.name !== name))];
  const languages = await registry.states();
  const lines = [
    `guestd ${config.version}, Node ${process.versions.node}, ${process.platform} ${process.arch}`,
    `programs run as ${exec.defaultUser.name} unless a request says otherwise`,
    "",
    ...capabilities.flatMap(capabilityLines),
    "",
    ...languages.flatMap(languageLines),
  ];
  const isHealthy = capabilities.some(({ name, isAvailable }) => name === "processes" && isAvailable);
  return { text: lines.join("\n"), isHealthy };
}

/** Without one the daemon does not start. */
function stateDirectory(config: Config): StateDirectory | { why: string; fix: string } {
  try {
    return makeStateDirectory(config.stateDir);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return { why, fix: "name a directory that guestd may write to with --state-dir" };
  }
}

function capabilityLines(capability: Capability): string[] {
  const name = capability.name.padEnd(12);
  if (capability.isAvailable) return [`  ok   ${name} ${capability.detail ?? ""}`.trimEnd()];
  return missing(name, capability);
}

function languageLines(state: LanguageState): string[] {
  const name = state.language.padEnd(12);
  if (state.isAvailable) return [`  ok   ${name} ${state.version} (${state.engine}) ${state.interpreter}`];
  return missing(name, state);
}

function missing(name: string, { why, fix }: { why: string; fix: string }): string[] {
  return [`  --   ${name} ${why}`, `       ${" ".repeat(name.length)} fix: ${fix}`];
}
