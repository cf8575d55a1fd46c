import { randomUUID } from "node:crypto";
import { kernelUuid } from "../lib/uuid.ts";

/** Gives requests their ids: UUIDs. The first is the kernel's, since the first answer is what tells that the daemon is up. */
export class RequestIds {
  #isFirst = true;

  next(): string {
    if (!this.#isFirst) return randomUUID();
    this.#isFirst = false;
    return kernelUuid();
  }
}
