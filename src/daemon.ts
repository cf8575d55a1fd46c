import { join } from "node:path";
import { type Config, isLoopbackHost, socketPath } from "./config.ts";
import { primeMessages } from "./contracts/prime.ts";
import { createApp } from "./edge/app.ts";
import { docsPageRoutes } from "./edge/docs-page.ts";
import { Gate } from "./edge/gate.ts";
import { HostRule } from "./edge/host-rule.ts";
import { Listeners } from "./edge/listeners.ts";
import { openPorts, urlOf } from "./edge/open-ports.ts";
import type { Route } from "./edge/route.ts";
import { signedUrls } from "./edge/http/signed-url.ts";
import { composeRoutes } from "./filesystem/compose-rest.ts";
import { nativeFilesRoutes } from "./filesystem/native/rest.ts";
import { filesRoutes } from "./filesystem/rest.ts";
import { entryInfo, filesystemRpcRoutes } from "./filesystem/rpc.ts";
import { gitChangesRoutes } from "./git/changes-rest.ts";
import { gitConfigurationRoutes } from "./git/configuration-rest.ts";
import { gitHistoryRoutes } from "./git/history-rest.ts";
import { gitRemotesRoutes } from "./git/remotes-rest.ts";
import { gitRoutes } from "./git/rest.ts";
import { gitStashRoutes } from "./git/stash-rest.ts";
import { FreedMemory } from "./host/freed-memory.ts";
import { StartGarbage } from "./host/start-garbage.ts";
import { codeRoutes } from "./kernels/code-rest.ts";
import { contextsRoutes } from "./kernels/contexts-rest.ts";
import { executeRoutes } from "./kernels/execute-rest.ts";
import { nativeContextsRoutes } from "./kernels/native-contexts-rest.ts";
import { controlRoutes } from "./lifecycle/control-rest.ts";
import { infoRoutes } from "./lifecycle/info-rest.ts";
import { THIS_MACHINE } from "./lifecycle/machine.ts";
import { lifecycleRoutes } from "./lifecycle/rest.ts";
import type { Logger } from "./log.ts";
import { metricsRoutes } from "./metrics/rest.ts";
import { processRpcRoutes } from "./processes/rpc.ts";
import { runsRoutes } from "./processes/runs-rest.ts";
import { startRoutes } from "./processes/start-rest.ts";
import { ptyRoutes } from "./pty/rest.ts";
import { IdempotentStarts } from "./runs/idempotent-starts.ts";
import { portsRoutes } from "./ports/rest.ts";
import { watchRoutes } from "./watch/rest.ts";
import { watchRpcRoutes } from "./watch/rpc.ts";
import { createServices, type Services } from "./services.ts";
import { StartWork } from "./start-work.ts";
import { thawLeft } from "./state-services.ts";

/** By then the default contexts have begun. */
const PRIME_MS = 1000;

/** A running daemon. Disposing it ends everything it started, within five seconds. */
export interface Daemon extends AsyncDisposable {
  /** The ports it really has, the API's first. */
  readonly ports: readonly number[];
  readonly routes: readonly Route[];
}

/** Builds all services and opens the ports; the default contexts and the start command begin soon after. @throws SandboxError */
export async function startDaemon(config: Config, log: Logger, places = THIS_MACHINE): Promise<Daemon> {
  await using stack = new AsyncDisposableStack();
  const services = createServices(stack, config, { log, places });
  await services.identity.tell(config);
  const routes = createRoutes(services, join(config.root, "dist", "docs.html"));
  const freedMemory = stack.use(new FreedMemory({ log }));
  const startGarbage = stack.use(new StartGarbage({ log }));
  const stopping = new AbortController();
  const startWork = new StartWork({
    begin: () => void beginWork(services, log, stopping.signal).then(() => startGarbage.begin()),
  });
  const listeners = stack.use(new Listeners({ log }));
  // Before the listeners close, which remove their socket files on the only thread: they may be on a file system that is frozen.
  stack.use(services.fileSystem);
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
      onAnswered: (request) => {
        services.requestTimes.note(request);
        startGarbage.noteWork();
        startWork.noteAnswer();
      },
    },
    listeners,
  );
  const ports = await openPorts(app, listeners, { ...config, sockets: config.listen.map(socketPath) });
  const [port] = ports;
  log.info("listening", {
    ...(port !== undefined && { url: urlOf(config.host, port), ports: ports.join() }),
    ...(config.listen.length > 0 && { sockets: config.listen.join() }),
    access: services.access.state,
  });
  if (config.isInsecure && services.access.state === "open") {
    log.warn("insecure", { detail: "everybody who reaches this address may do anything" });
  }
  stack.use(startWork).expectAnswer();
  const later = setTimeout(() => void services.oom.prime(), PRIME_MS).unref();
  stack.defer(() => {
    clearTimeout(later);
    stopping.abort();
  });
  const owned = stack.move();
  return { ports, routes, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** What nobody has asked for yet. Resolves when the default contexts are there and the first messages have nothing to wait for. */
async function beginWork({ state, contexts, template }: Services, log: Logger, signal: AbortSignal): Promise<void> {
  thawLeft(log);
  void state.removeLeft(signal);
  const created = contexts.createDefaults();
  template.begin();
  await created;
  await primeMessages(signal);
}

function createRoutes(services: Services, docsPage: string): Route[] {
  const { lifecycle, metrics, processes, template, base64, runControl, contexts, info, access, version } = services;
  const { terminals, filesystem, uploads, downloads, atomicWrites, partialWrites, changes, compositions } = services;
  const { watchers, pollers, feeds, changeEntries: entries, ports, portWatch, git, runs, requestTimes } = services;
  const { freezer, fileSystem } = services;
  const routes: Route[] = [
    ...infoRoutes(info, access, version, () => routes),
    ...docsPageRoutes(docsPage),
    ...lifecycleRoutes(lifecycle, {
      areKernelsReady: () => contexts.areDefaultsReady,
      templateState: () => template.state.state,
    }),
    ...controlRoutes({ freezer, fileSystem, isInitialized: () => lifecycle.isInitialized }),
    ...metricsRoutes(metrics, { runs, requestTimes, contexts: () => contexts.list(), watches: () => watchers.budget }),
    ...processRpcRoutes({ processes, base64 }),
    ...filesystemRpcRoutes(filesystem),
    ...watchRpcRoutes({ watchers, pollers, entries, entryInit: entryInfo }),
    ...watchRoutes({ feeds, entries, entryInit: entryInfo }),
    ...filesRoutes({ uploads, downloads, authorize: signedUrls(access) }),
    ...composeRoutes(compositions),
    ...nativeFilesRoutes({ filesystem, downloads, atomicWrites, partialWrites, changes }),
    ...startRoutes(processes, new IdempotentStarts({ runs })),
    ...runsRoutes(runControl),
    ...ptyRoutes(terminals),
    ...executeRoutes(contexts),
    ...contextsRoutes(contexts),
    ...codeRoutes(contexts),
    ...nativeContextsRoutes(contexts),
    ...portsRoutes(ports, portWatch),
    ...gitRoutes(git),
    ...gitChangesRoutes(git),
    ...gitHistoryRoutes(git),
    ...gitStashRoutes(git),
    ...gitRemotesRoutes(git),
    ...gitConfigurationRoutes(git),
  ];
  return routes;
}
