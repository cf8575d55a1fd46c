import { type BuiltDaemon, startBuiltDaemon } from "./built-daemon.ts";
import { startControlPlane } from "./control-plane.ts";

const TOKEN = "sdk-token-0123456789abcdef";

/** What the SDKs' `create` takes, in JavaScript's names. */
export type SdkOptions = { sandboxUrl: string } & ({ debug: true } | { apiKey: string; apiUrl: string });

/** A daemon, and how the SDKs get to it. */
export interface SdkPlace extends AsyncDisposable {
  readonly daemon: BuiltDaemon;
  readonly options: SdkOptions;
}

export interface SdkPlaceOptions {
  /** Without them it is there at once. */
  hasKernels: boolean;
}

const argvOf = ({ hasKernels }: SdkPlaceOptions): string[] => (hasKernels ? [] : ["--kernels="]);

/** The SDKs' debug mode: no token, no control plane. */
async function startWithoutToken(place: SdkPlaceOptions): Promise<SdkPlace> {
  const daemon = await startBuiltDaemon({ argv: argvOf(place) });
  return {
    daemon,
    options: { debug: true, sandboxUrl: daemon.url },
    [Symbol.asyncDispose]: () => daemon[Symbol.asyncDispose](),
  };
}

/** Sandboxes are made by a control plane, which gives the token to daemon and SDK. */
async function startWithToken(place: SdkPlaceOptions): Promise<SdkPlace> {
  await using stack = new AsyncDisposableStack();
  const daemon = stack.use(await startBuiltDaemon({ token: TOKEN, argv: argvOf(place) }));
  const { apiKey, url: apiUrl } = stack.use(await startControlPlane(daemon.url, TOKEN));
  const owned = stack.move();
  return {
    daemon,
    options: { apiKey, apiUrl, sandboxUrl: daemon.url },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Both ways in, for `describe.each`. */
export const SDK_PLACES = [
  ["without a token", startWithoutToken],
  ["with a token", startWithToken],
] as const;
