import type { Config } from "./config.ts";
import type { ExecContext } from "./host/exec-context.ts";
import type { Launcher } from "./host/launcher.ts";
import type { Contexts } from "./kernels/contexts.ts";
import { IdentityFiles } from "./lifecycle/identity-files.ts";
import { IdentityPoll } from "./lifecycle/identity-poll.ts";
import { Lifecycle, type LifecycleDeps } from "./lifecycle/lifecycle.ts";
import { Machine, type MachinePlaces } from "./lifecycle/machine.ts";
import { MetadataService } from "./lifecycle/metadata-service.ts";
import { SandboxIdentity } from "./lifecycle/sandbox-identity.ts";
import type { Logger } from "./log.ts";

/** Who tells programs which sandbox this is. */
export function createIdentity(
  stack: AsyncDisposableStack,
  config: Config,
  { exec, log }: { exec: ExecContext; log: Logger },
): SandboxIdentity {
  const folder = config.identityDir;
  const files = folder === undefined ? undefined : stack.use(new IdentityFiles({ folder, log }));
  return new SandboxIdentity({ exec, files });
}

/** What `/init` does, and what follows from it. */
export function createLifecycle(
  stack: AsyncDisposableStack,
  { metadataUrl, setsClock }: Config,
  deps: Pick<LifecycleDeps, "access" | "exec" | "log"> & {
    launcher: Launcher;
    places: MachinePlaces;
    identity: SandboxIdentity;
    contexts: Contexts;
  },
): Lifecycle {
  const { access, exec, launcher, places, log, identity, contexts } = deps;
  const machine = new Machine({ places, launcher, exec, setsClock, log });
  const metadata = metadataUrl === undefined ? undefined : new MetadataService({ url: metadataUrl });
  const poll = metadata && stack.use(new IdentityPoll({ service: metadata, identity, log }));
  const onInitialized = (): void => {
    contexts.reseed();
    poll?.begin();
  };
  return new Lifecycle({ access, exec, machine, metadata, log, onInitialized, thaw: () => launcher.freezer.thaw() });
}
