import { join } from "node:path";
import { type Config, isLoopbackHost } from "./config.ts";
import { AtomicWrites } from "./filesystem/atomic-writes.ts";
import { Changes } from "./filesystem/changes.ts";
import { Compositions } from "./filesystem/compositions.ts";
import { Downloads } from "./filesystem/downloads.ts";
import { FileLocks } from "./filesystem/file-locks.ts";
import { Filesystem } from "./filesystem/filesystem.ts";
import { MetadataStore } from "./filesystem/metadata.ts";
import { PartialWrites } from "./filesystem/partial-writes.ts";
import { Uploads } from "./filesystem/uploads.ts";
import { CallSocket } from "./git/call/call-socket.ts";
import { Configuration } from "./git/configuration.ts";
import { GitProgram } from "./git/git-program.ts";
import { History } from "./git/history.ts";
import { Remotes } from "./git/remotes.ts";
import { Repositories } from "./git/repositories.ts";
import { Servers } from "./git/servers.ts";
import { Stashes } from "./git/stashes.ts";
import { WorkTree } from "./git/work-tree.ts";
import { loadBase64 } from "./host/base64/base64.ts";
import { programPath } from "./host/env.ts";
import { ExecContext } from "./host/exec-context.ts";
import type { FileRights } from "./host/file-access.ts";
import type { Freezer } from "./host/freezer.ts";
import { FrozenFileSystem } from "./host/frozen-file-system.ts";
import { Launcher } from "./host/launcher.ts";
import { hasFreeMemory } from "./host/memory.ts";
import { Mounts, NETWORK_MOUNTS } from "./host/mounts.ts";
import { OomWatch } from "./host/oom.ts";
import { WITHOUT_SUBREAPERS } from "./host/orphans.ts";
import { descriptorLimit } from "./host/process-count.ts";
import { OWN_RIGHTS } from "./host/own-file-access.ts";
import { UserRights } from "./host/user-rights.ts";
import { Users } from "./host/users.ts";
import { Contexts, type ContextsOptions } from "./kernels/contexts.ts";
import { KernelRegistry } from "./kernels/registry.ts";
import { KeyedLocks } from "./lib/keyed-locks.ts";
import { makeDirectories } from "./lib/make-directories.ts";
import { Access } from "./lifecycle/access.ts";
import { Info } from "./lifecycle/info.ts";
import { createIdentity, createLifecycle } from "./lifecycle-services.ts";
import type { MachinePlaces } from "./lifecycle/machine.ts";
import type { Logger } from "./log.ts";
import { labelledPids } from "./metrics/figures.ts";
import { Metrics } from "./metrics/metrics.ts";
import { RequestTimes } from "./metrics/request-times.ts";
import { CachedLogin } from "./processes/cached-login.ts";
import { Processes } from "./processes/processes.ts";
import { RunControl } from "./processes/run-control.ts";
import { loginShellCommand } from "./processes/shell.ts";
import { Terminals } from "./pty/terminals.ts";
import { Runs } from "./runs/runs.ts";
import { Forwarder } from "./ports/forwarder.ts";
import { PortWatch } from "./ports/port-watch.ts";
import { Ports } from "./ports/ports.ts";
import { SpillBudget } from "./runs/spill-file.ts";
import { createState, stopRecordIn, warnOfDefaultUser } from "./state-services.ts";
import { Template } from "./template/template.ts";
import { ChangeEntries } from "./watch/change-entries.ts";
import { Feeds } from "./watch/feeds.ts";
import { Pollers } from "./watch/pollers.ts";
import { Watchers } from "./watch/watchers.ts";

/** What the daemon works with that is not its own. */
interface Surroundings {
  log: Logger;
  places: MachinePlaces;
}

/** Connections to forwarded ports; they take half of the descriptors at most. */
const MAX_RELAYED = 4096;

export type Services = ReturnType<typeof createServices>;

/** Services in the order in which they need each other; they are disposed in the opposite one. */
export function createServices(stack: AsyncDisposableStack, config: Config, { log, places }: Surroundings) {
  const state = createState(stack, config, log);
  const { path: stateDir, logsDir } = state;
  const users = new Users();
  const { defaultUser, defaultWorkdir: defaultDirectory, imageEnv } = config;
  const exec = new ExecContext({ users, path: programPath(config.path), defaultUser, defaultDirectory, imageEnv });
  warnOfDefaultUser(stateDir, { exec, log });
  const identity = createIdentity(stack, config, { exec, log });
  const launcher = stack.use(new Launcher({ shimPath: join(config.root, "dist", "guestd-shim") }));
  launcher.checkShim();
  if (launcher.orphansRefusal !== undefined) {
    log.warn("subreaper.refused", { error: launcher.orphansRefusal, detail: WITHOUT_SUBREAPERS });
  }
  const cachedLogin = config.isLoginCached ? stack.use(new CachedLogin({ launcher, log })) : undefined;
  const oom = stack.use(new OomWatch());
  const runs = createRuns(stack, config, { launcher, oom, logsDir, log });
  const isLocked = !isLoopbackHost(config.host) && !config.isInsecure;
  const access = new Access({ token: config.token, isLocked });
  const registry = stack.use(createRegistry(config, stateDir, { launcher, exec }));
  const processes = new Processes({ runs, exec, cachedLogin });
  const template = stack.use(createTemplate(config, { processes, runs, log }));
  const contexts = stack.use(createContexts({ registry, launcher, runs, exec, log }, stateDir, config));
  const metadata = new MetadataStore(new Mounts());
  const rights = createRights(stack, config, log);
  const writing = { exec, rights, metadata, locks: new FileLocks(), spoolDirectory: join(state.self, "uploads") };
  return {
    state,
    users,
    access,
    identity,
    version: config.version,
    info: new Info({
      launcher,
      exec,
      version: config.version,
      languages: () => registry.states(),
      limits: limitsOf(config),
      template: () => template.state,
    }),
    lifecycle: createLifecycle(stack, config, { access, exec, launcher, places, identity, contexts, log }),
    metrics: stack.use(new Metrics({ pids: () => labelledPids(runs, contexts.list()) })),
    requestTimes: new RequestTimes(),
    runs,
    oom,
    base64: loadBase64(join(config.root, "dist", "guestd-base64.so"), log),
    processes,
    template,
    terminals: new Terminals({ runs, exec, freezer: launcher.freezer }),
    filesystem: new Filesystem({ exec, rights, metadata }),
    ...createWriting(writing),
    downloads: new Downloads({ exec, rights }),
    ...createWatching(stack, config, { exec, rights, metadata, log }),
    runControl: new RunControl({ runs, freezer: launcher.freezer }),
    ...createPorts(stack, config, { runs, contexts, log }),
    contexts,
    git: createGit(stack, config, stateDir, { launcher, exec }),
    fileSystem: new FrozenFileSystem({ path: config.freezableFs, stateDirectory: state.self }),
    freezer: stack.use(createFreezer(launcher, stopRecordIn(state.self), log)),
  };
}

/** Of all that is disposed, last made and first to go: who is frozen hears no SIGTERM. */
function createFreezer({ freezer }: Launcher, recordPath: string, log: Logger): Freezer {
  freezer.recordPath = recordPath;
  freezer.onOverdue = () => log.warn("thawed", { reason: "nobody has thawed the programs in time" });
  return freezer;
}

function createWriting(deps: ConstructorParameters<typeof Uploads>[0]) {
  return {
    uploads: new Uploads(deps),
    atomicWrites: new AtomicWrites(deps),
    partialWrites: new PartialWrites(deps),
    changes: new Changes(deps),
    compositions: new Compositions(deps),
  };
}

function createGit(
  stack: AsyncDisposableStack,
  config: Config,
  stateDir: string,
  deps: { launcher: Launcher; exec: ExecContext },
) {
  const source = join(config.root, "dist", "guestd-call");
  const calls = stack.use(new CallSocket({ folder: join(stateDir, "git"), source }));
  const program = new GitProgram({ ...deps, calls });
  const locks = new KeyedLocks();
  return {
    repositories: new Repositories({ ...deps, program }),
    servers: new Servers({ program, locks }),
    workTree: new WorkTree({ program }),
    history: new History({ program }),
    stashes: new Stashes({ program }),
    remotes: new Remotes({ program, locks }),
    configuration: new Configuration({ program, locks }),
    clock: deps.launcher.clock,
  };
}

function createRegistry(
  config: Config,
  stateDir: string,
  deps: { launcher: Launcher; exec: ExecContext },
): KernelRegistry {
  return new KernelRegistry({
    ...deps,
    folder: join(config.root, "kernels"),
    preparedFolder: config.preparedDir,
    stagingFolder: join(stateDir, "kernels"),
    enabled: config.kernels,
    networkEnv: config.networkEnv,
  });
}

/** Whose rights file operations have. */
function createRights(stack: AsyncDisposableStack, config: Config, log: Logger): FileRights {
  if (!config.areFilesAsUser) return OWN_RIGHTS;
  if (process.geteuid?.() !== 0) {
    log.warn("files_as_user.one_user", { detail: "only root can act as others: files of the own account only" });
  }
  return stack.use(new UserRights({ workerPath: join(config.root, "dist", "file-worker.js") }));
}

function createTemplate(config: Config, deps: { processes: Processes; runs: Runs; log: Logger }): Template {
  const { startCommand, readyCommand, startRestart: restart, startWorkdir: directory } = config;
  return new Template({ ...deps, shell: loginShellCommand, directory, startCommand, readyCommand, restart });
}

function createPorts(
  stack: AsyncDisposableStack,
  config: Config,
  { runs, contexts, log }: { runs: Runs; contexts: Contexts; log: Logger },
): { ports: Ports; portWatch: PortWatch } {
  const ports = stack.use(new Ports({ runs, contexts: () => contexts.list() }));
  const portWatch = new PortWatch({ ports, log });
  const { forwardsPorts, forwardsAllPorts: forwardsAll } = config;
  if (forwardsPorts || forwardsAll) {
    const maxConnections = Math.min(MAX_RELAYED, Math.floor(descriptorLimit() / 4));
    stack.use(new Forwarder({ watch: portWatch, log, forwardsAll, maxConnections }));
  }
  return { ports, portWatch };
}

function createWatching(
  stack: AsyncDisposableStack,
  config: Config,
  deps: { exec: ExecContext; rights: FileRights; metadata: MetadataStore; log: Logger },
) {
  const { exec, rights, metadata, log } = deps;
  const { keptWatchEvents: maxItems, watchedDirectories: maxWatches, watcherIdleSeconds } = config;
  const watchers = stack.use(new Watchers({ exec, rights, mounts: NETWORK_MOUNTS, log, maxItems, maxWatches }));
  return {
    watchers,
    pollers: stack.use(new Pollers({ idleMs: watcherIdleSeconds * 1000 })),
    feeds: stack.use(new Feeds({ watchers })),
    changeEntries: new ChangeEntries({ users: exec.users, metadata }),
  };
}

function createContexts(
  deps: Pick<ContextsOptions, "registry" | "launcher" | "runs" | "exec" | "log">,
  stateDir: string,
  config: Config,
): Contexts {
  const { preload, spareKernels, cellOutputBytes: maxOutputBytes } = config;
  const limits = {
    maxContexts: config.maxContexts,
    idleMs: config.contextIdleSeconds * 1000,
    whenMemoryIsLow: config.lowMemoryContexts,
  };
  const pipesFolder = join(stateDir, "pipes");
  makeDirectories(pipesFolder, 0o711);
  return new Contexts({
    ...deps,
    pipesFolder,
    preload,
    spareKernels,
    maxOutputBytes,
    limits,
    hasFreeMemory: () => hasFreeMemory(config.lowMemoryPercent / 100),
  });
}

function createRuns(
  stack: AsyncDisposableStack,
  config: Config,
  { launcher, oom, logsDir, log }: { launcher: Launcher; oom: OomWatch; logsDir: string; log: Logger },
): Runs {
  const runs = new Runs({
    launcher,
    oom,
    budget: new SpillBudget({ directory: logsDir, limitBytes: config.logsDiskBytes }),
    limits: { memoryBytes: config.runMemoryBytes, diskBytes: config.runDiskBytes },
    overflow: config.logOverflow,
    retention: { maxAgeMs: config.keptRunSeconds * 1000, maxFinished: config.keptRuns },
    log,
  });
  return stack.use(runs);
}

/** The bounds that clients may meet. */
function limitsOf(config: Config): Record<string, number> {
  const { runMemoryBytes, runDiskBytes, logsDiskBytes, keptRuns, keptRunSeconds } = config;
  const { watchedDirectories, keptWatchEvents, watcherIdleSeconds } = config;
  const watching = { watchedDirectories, keptWatchEvents, watcherIdleSeconds };
  const { maxContexts, contextIdleSeconds, cellOutputBytes } = config;
  const code = { maxContexts, contextIdleSeconds, cellOutputBytes };
  return { runMemoryBytes, runDiskBytes, logsDiskBytes, keptRuns, keptRunSeconds, ...watching, ...code };
}
