import type { Channel, MimeBundle } from "./channel.ts";
import { describe, encodeBundle } from "./mime.ts";
import { defineHidden } from "./modules.ts";

const SHORTHANDS = {
  text: "text/plain",
  html: "text/html",
  markdown: "text/markdown",
  latex: "text/latex",
  svg: "image/svg+xml",
  png: "image/png",
  jpeg: "image/jpeg",
  pdf: "application/pdf",
  json: "application/json",
  javascript: "application/javascript",
};

/** The `display` of cells, also known as `$$`: `display(value)`, `display.html(text)`, `display.mime(bundle)` and so on. */
export class Display {
  readonly #channel: Channel;
  readonly #waiting = new Set<Promise<void>>();

  constructor(channel: Channel) {
    this.#channel = channel;
  }

  install(): void {
    const show = (data: MimeBundle): void => this.#channel.result(data, false);
    const mime = (bundle: object): void => show(encodeBundle(bundle));
    const display = (value: unknown, options?: { raw?: boolean }): void =>
      options?.raw === true ? mime(Object(value) as object) : this.#show(value);
    const named = Object.entries(SHORTHANDS).map(([name, type]) => [name, (value: unknown) => mime({ [type]: value })]);
    Object.assign(display, Object.fromEntries(named), { mime, display });
    defineHidden("display", () => display);
    defineHidden("$$", () => display);
  }

  /** Waits for what is still made; a cell ends after its displays. */
  async settled(): Promise<void> {
    while (this.#waiting.size > 0) await Promise.allSettled(this.#waiting);
  }

  /** Waits for none of those that are made now: their cell has ended. */
  forget(): void {
    this.#waiting.clear();
  }

  #show(value: unknown): void {
    const described = describe(value);
    if (!(described instanceof Promise)) {
      this.#channel.result(described, false);
      return;
    }
    // Who made the value is told by the unhandled rejection when it cannot be shown.
    const shown = described.then((data) => this.#channel.result(data, false));
    this.#waiting.add(shown);
    void shown.finally(() => this.#waiting.delete(shown));
  }
}
