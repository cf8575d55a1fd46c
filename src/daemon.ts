import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type Config, isLoopbackHost } from "./config.ts";
import { createApp } from "./edge/app.ts";
import { Gate } from "./edge/gate.ts";
import { HostRule } from "./edge/host-rule.ts";
import { Listeners } from "./edge/listeners.ts";
import { openPorts, urlOf } from "./edge/open-ports.ts";
import type { Route } from "./edge/route.ts";
import { signedUrls } from "./edge/http/signed-url.ts";
import { AtomicWrites } from "./filesystem/atomic-writes.ts";
import { Changes } from "./filesystem/changes.ts";
import { composeRoutes } from "./filesystem/compose-rest.ts";
import { Compositions } from "./filesystem/compositions.ts";
import { Downloads } from "./filesystem/downloads.ts";
import { FileLocks } from "./filesystem/file-locks.ts";
import { Filesystem } from "./filesystem/filesystem.ts";
import { MetadataStore } from "./filesystem/metadata.ts";
import { nativeFilesRoutes } from "./filesystem/native/rest.ts";
import { filesRoutes } from "./filesystem/rest.ts";
import { entryInfo, filesystemRpcRoutes } from "./filesystem/rpc.ts";
import { PartialWrites } from "./filesystem/partial-writes.ts";
import { Uploads } from "./filesystem/uploads.ts";
import { loadBase64 } from "./host/base64/base64.ts";
import { programPath } from "./host/env.ts";
import { ExecContext } from "./host/exec-context.ts";
import { FreedMemory } from "./host/freed-memory.ts";
import type { FileRights } from "./host/file-access.ts";
import { Launcher } from "./host/launcher.ts";
import { hasFreeMemory } from "./host/memory.ts";
import { Mounts, NETWORK_MOUNTS } from "./host/mounts.ts";
import { OomWatch } from "./host/oom.ts";
import { OWN_RIGHTS } from "./host/own-file-access.ts";
import { makeStateDirectory } from "./host/state-directory.ts";
import { UserRights } from "./host/user-rights.ts";
import { Users } from "./host/users.ts";
import { codeRoutes } from "./kernels/code-rest.ts";
import { contextsRoutes } from "./kernels/contexts-rest.ts";
import { Contexts, type ContextsOptions } from "./kernels/contexts.ts";
import { executeRoutes } from "./kernels/execute-rest.ts";
import { nativeContextsRoutes } from "./kernels/native-contexts-rest.ts";
import { KernelRegistry } from "./kernels/registry.ts";
import { Access } from "./lifecycle/access.ts";
import { infoRoutes } from "./lifecycle/info-rest.ts";
import { Info } from "./lifecycle/info.ts";
import { Lifecycle } from "./lifecycle/lifecycle.ts";
import { lifecycleRoutes } from "./lifecycle/rest.ts";
import type { Logger } from "./log.ts";
import { Metrics } from "./metrics/metrics.ts";
import { metricsRoutes } from "./metrics/rest.ts";
import { CachedLogin } from "./processes/cached-login.ts";
import { Processes } from "./processes/processes.ts";
import { processRpcRoutes } from "./processes/rpc.ts";
import { RunControl } from "./processes/run-control.ts";
import { runsRoutes } from "./processes/runs-rest.ts";
import { startRoutes } from "./processes/start-rest.ts";
import { ptyRoutes } from "./pty/rest.ts";
import { Terminals } from "./pty/terminals.ts";
import { IdempotentStarts } from "./runs/idempotent-starts.ts";
import { Runs } from "./runs/runs.ts";
import { Forwarder } from "./ports/forwarder.ts";
import { Ports } from "./ports/ports.ts";
import { portsRoutes } from "./ports/rest.ts";
import { SpillBudget } from "./runs/spill-file.ts";
import { ChangeEntries } from "./watch/change-entries.ts";
import { Feeds } from "./watch/feeds.ts";
import { Pollers } from "./watch/pollers.ts";
import { watchRoutes } from "./watch/rest.ts";
import { watchRpcRoutes } from "./watch/rpc.ts";
import { Watchers } from "./watch/watchers.ts";

/** A running daemon. Disposing it ends everything it started, within five seconds. */
export interface Daemon extends AsyncDisposable {
  /** The ports it really has, the API's first. */
  readonly ports: readonly number[];
  readonly routes: readonly Route[];
}

/** Builds all services, opens the ports, and begins to create the default contexts. @throws SandboxError */
export async function startDaemon(config: Config, log: Logger): Promise<Daemon> {
  await using stack = new AsyncDisposableStack();
  const services = createServices(stack, config, log);
  const routes = createRoutes(services);
  const freedMemory = stack.use(new FreedMemory({ log }));
  const listeners = stack.use(new Listeners());
  const app = createApp(
    {
      routes,
      gate: new Gate({ access: services.access, isStrictInterpreter: config.isStrictInterpreter }),
      hostRule: new HostRule({ allowedHosts: config.allowedHosts }),
      guardsHost: isLoopbackHost(config.host),
      log,
      checkUser: (name) => void services.users.get(name),
      server: `guestd/${config.version}`,
      onMoved: (bytes) => freedMemory.note(bytes),
    },
    listeners,
  );
  const ports = await openPorts(app, listeners, config);
  log.info("listening", { url: urlOf(config.host, ports[0] ?? 0), ports: ports.join(), access: services.access.state });
  if (config.isInsecure && services.access.state === "open") {
    log.warn("insecure", { detail: "everybody who reaches this address may do anything" });
  }
  void services.contexts.createDefaults();
  const owned = stack.move();
  return { ports, routes, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

type Services = ReturnType<typeof createServices>;

/** Services in the order in which they need each other; they are disposed in the opposite one. */
function createServices(stack: AsyncDisposableStack, config: Config, log: Logger) {
  const stateDir = makeStateDirectory(config.stateDir);
  stack.defer(() => rmSync(stateDir, { recursive: true, force: true }));
  const logsDir = join(stateDir, "logs");
  mkdirSync(logsDir, { recursive: true, mode: 0o700 });
  const users = new Users();
  const exec = new ExecContext({
    users,
    path: programPath(config.path),
    defaultUser: config.defaultUser,
    defaultDirectory: config.defaultWorkdir,
    internalEnv: { E2B_SANDBOX: "true" },
  });
  const launcher = stack.use(new Launcher({ shimPath: join(config.root, "dist", "guestd-shim") }));
  launcher.checkShim();
  const cachedLogin = config.isLoginCached ? stack.use(new CachedLogin({ launcher, log })) : undefined;
  const runs = createRuns(stack, config, { launcher, logsDir, log });
  const isLocked = !isLoopbackHost(config.host) && !config.isInsecure;
  const access = new Access({ token: config.token, isLocked });
  const registry = createRegistry(config, stateDir, { launcher, exec });
  const contexts = stack.use(createContexts({ registry, launcher, runs, exec, log }, stateDir, config));
  const metadata = new MetadataStore(new Mounts());
  const rights = createRights(stack, config, log);
  const writing = { exec, rights, metadata, locks: new FileLocks(), spoolDirectory: join(stateDir, "uploads") };
  return {
    users,
    access,
    version: config.version,
    info: new Info({
      launcher,
      exec,
      version: config.version,
      languages: () => registry.states(),
      limits: limitsOf(config),
    }),
    lifecycle: new Lifecycle({ access, exec, log, onInitialized: () => contexts.reseed() }),
    metrics: stack.use(new Metrics()),
    base64: loadBase64(join(config.root, "dist", "guestd-base64.so"), log),
    processes: new Processes({ runs, exec, cachedLogin }),
    terminals: new Terminals({ runs, exec }),
    filesystem: new Filesystem({ exec, rights, metadata }),
    uploads: new Uploads(writing),
    atomicWrites: new AtomicWrites(writing),
    partialWrites: new PartialWrites(writing),
    changes: new Changes(writing),
    compositions: new Compositions(writing),
    downloads: new Downloads({ exec, rights }),
    ...createWatching(stack, config, { exec, rights, metadata, log }),
    runControl: new RunControl({ runs }),
    ports: createPorts(stack, config, { runs, log }),
    contexts,
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

function createPorts(stack: AsyncDisposableStack, config: Config, { runs, log }: { runs: Runs; log: Logger }): Ports {
  const ports = stack.use(new Ports({ runs }));
  if (config.forwardsPorts) stack.use(new Forwarder({ ports, log }));
  return ports;
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
  mkdirSync(pipesFolder, { recursive: true, mode: 0o711 });
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
  { launcher, logsDir, log }: { launcher: Launcher; logsDir: string; log: Logger },
): Runs {
  const oom = stack.use(new OomWatch());
  void oom.prime();
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

function createRoutes(services: Services): Route[] {
  const { lifecycle, metrics, processes, base64, runControl, contexts, info, access, version } = services;
  const { terminals, filesystem, uploads, downloads, atomicWrites, partialWrites, changes, compositions } = services;
  const { watchers, pollers, feeds, changeEntries: entries, ports } = services;
  const routes: Route[] = [
    ...infoRoutes(info, access, version, () => routes),
    ...lifecycleRoutes(lifecycle, () => contexts.areDefaultsReady),
    ...metricsRoutes(metrics),
    ...processRpcRoutes({ processes, base64 }),
    ...filesystemRpcRoutes(filesystem),
    ...watchRpcRoutes({ watchers, pollers, entries, entryInit: entryInfo }),
    ...watchRoutes({ feeds, entries, entryInit: entryInfo }),
    ...filesRoutes({ uploads, downloads, authorize: signedUrls(access) }),
    ...composeRoutes(compositions),
    ...nativeFilesRoutes({ filesystem, downloads, atomicWrites, partialWrites, changes }),
    ...startRoutes(processes, new IdempotentStarts()),
    ...runsRoutes(runControl),
    ...ptyRoutes(terminals),
    ...executeRoutes(contexts),
    ...contextsRoutes(contexts),
    ...codeRoutes(contexts),
    ...nativeContextsRoutes(contexts),
    ...portsRoutes(ports),
  ];
  return routes;
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
