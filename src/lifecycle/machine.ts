import { isIPv6 } from "node:net";
import { errnoName, errnoText, fromErrno } from "../errors.ts";
import type { ExecContext } from "../host/exec-context.ts";
import { setHost } from "../host/hosts-file.ts";
import type { Launcher } from "../host/launcher.ts";
import { type Clock, SYSTEM_CLOCK } from "../host/libc-clock.ts";
import { NfsVolumes, type Volume } from "../host/nfs-volumes.ts";
import { DEBIAN_TRUST, readCertificates, trust, type TrustPlaces } from "../host/trust-bundle.ts";
import type { Logger } from "../log.ts";
import { type ClockReading, ClockRule } from "./clock-rule.ts";

/** What belongs to the whole machine, and is not ours alone. */
export interface MachinePlaces {
  clock: Clock;
  hostsFile: string;
  trust: TrustPlaces;
  /** In the form of `/proc/self/mountinfo`. */
  mountList: string;
  mountBudgetMs: number;
}

/** The machine that guestd runs on. */
export const THIS_MACHINE: MachinePlaces = {
  clock: SYSTEM_CLOCK,
  hostsFile: "/etc/hosts",
  trust: DEBIAN_TRUST,
  mountList: "/proc/self/mountinfo",
  mountBudgetMs: 10_000,
};

/** What a control plane wants changed of the machine. */
export interface MachineRequest {
  /** Where programs find the platform's events, an IP address. */
  eventsAddress?: string | undefined;
  /** Of authorities that programs are to trust, in PEM form. */
  certificates?: string | undefined;
  volumes?: readonly Volume[] | undefined;
}

export interface MachineDeps {
  places: MachinePlaces;
  launcher: Launcher;
  exec: ExecContext;
  /** Whether the clock may be set. */
  setsClock: boolean;
  log: Logger;
}

const EVENTS_HOST = "events.e2b.local";
/** We are not root, or the file system is read-only: no caller can change that, and none should try again and again. */
const NOT_ALLOWED = new Set(["EACCES", "EPERM", "EROFS"]);

/** Changes the machine for a control plane; one call at a time. */
export class Machine {
  readonly #deps: MachineDeps;
  readonly #clock: ClockRule | undefined;
  readonly #volumes: NfsVolumes;

  constructor(deps: MachineDeps) {
    const { places, launcher, exec, log } = deps;
    this.#deps = deps;
    this.#clock = deps.setsClock ? new ClockRule({ clock: places.clock, log }) : undefined;
    this.#volumes = new NfsVolumes({ launcher, exec, mountList: places.mountList, budgetMs: places.mountBudgetMs });
  }

  /** Sets the clock if it is wrong, and may be set. */
  followClock(reading: ClockReading): void {
    this.#clock?.follow(reading);
  }

  /** What is to be done, once it is known that all of it can be meant. @throws SandboxError invalid_argument (certificates) */
  check({ certificates, ...rest }: MachineRequest): MachineRequest {
    return { ...rest, certificates: certificates && readCertificates(certificates, "caBundle") };
  }

  /**
   * Does what was checked. What we lack the rights for is logged, no more, but for volumes.
   * @throws SandboxError failed_precondition, resource_exhausted, deadline_exceeded when certificates cannot be written for another reason, or a volume cannot be mounted
   */
  async apply({ eventsAddress, certificates, volumes }: MachineRequest): Promise<void> {
    if (eventsAddress !== undefined) await this.#setEvents(eventsAddress);
    if (certificates !== undefined) await this.#trust(certificates);
    if (volumes) await this.#volumes.mount(volumes);
  }

  async #setEvents(address: string): Promise<void> {
    const { exec, places, log } = this.#deps;
    exec.setInternalEnv({ E2B_EVENTS_ADDRESS: `http://${isIPv6(address) ? `[${address}]` : address}` });
    try {
      await setHost(places.hostsFile, EVENTS_HOST, address);
    } catch (error) {
      log.warn("hosts.not_written", { file: places.hostsFile, error: errnoText(error) });
    }
  }

  async #trust(certificates: string): Promise<void> {
    const { places, log } = this.#deps;
    try {
      if (await trust(places.trust, certificates)) return;
      log.warn("trust.no_bundle", {
        bundle: places.trust.bundle,
        detail: `nothing here trusts the certificates until update-ca-certificates, of ca-certificates, has taken up ${places.trust.added}`,
      });
    } catch (error) {
      if (!NOT_ALLOWED.has(errnoName(error) ?? ""))
        throw fromErrno(error, "cannot install caBundle", "failed_precondition");
      log.warn("trust.not_written", { bundle: places.trust.bundle, error: errnoText(error) });
    }
  }
}
