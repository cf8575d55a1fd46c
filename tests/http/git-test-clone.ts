import { join } from "node:path";
import { expect } from "vitest";
import { type Answer, ask, type GitPlace, SECRET } from "./git-place.ts";

export const AUTHOR = { name: "Bob", email: "bob@example.com" };

/** A clone of `app.git`, of the account `user`, and calls about it. */
export class TestClone {
  static #opened = 0;
  readonly path: string;
  readonly #place: GitPlace;

  private constructor(place: GitPlace, path: string) {
    this.#place = place;
    this.path = path;
  }

  static async open(place: GitPlace, name: string): Promise<TestClone> {
    const clone = new TestClone(place, join(place.folder, name));
    await clone.done("clone", { url: place.url(), credentials: SECRET });
    return clone;
  }

  /** One whose name does not matter. */
  static openAnother(place: GitPlace): Promise<TestClone> {
    TestClone.#opened += 1;
    return TestClone.open(place, `clone-${TestClone.#opened}`);
  }

  change(what: string, body: object): Promise<Answer> {
    return ask(this.#place, what, { path: this.path, user: "user", ...body });
  }

  /** As {@link change}, which must go well. */
  async done(what: string, body: object = {}): Promise<Record<string, unknown>> {
    const answer = await this.change(what, body);
    expect(answer).toMatchObject({ status: 200 });
    return answer.body;
  }

  look(what: string, more = ""): Promise<Answer> {
    return ask(this.#place, this.#address(what, more));
  }

  patch(what: string, body: object): Promise<Answer> {
    const init = { method: "PATCH", headers: { "Content-Type": "application/json" } };
    return ask(this.#place, what, undefined, {
      ...init,
      body: JSON.stringify({ path: this.path, user: "user", ...body }),
    });
  }

  remove(what: string, more: string): Promise<Answer> {
    return ask(this.#place, this.#address(what, more), undefined, { method: "DELETE" });
  }

  /** As a person sees it. */
  async text(what: string, more = ""): Promise<string> {
    const headers = { Accept: "text/plain" };
    return (await this.#place.daemon.fetch(`/v1/git/${this.#address(what, more)}`, { headers })).text();
  }

  async write(name: string, bytes: string | Uint8Array<ArrayBuffer>): Promise<void> {
    const answer = await this.#place.daemon.fetch(this.#file(name), { method: "PUT", body: bytes });
    expect(answer.ok).toBe(true);
  }

  async read(name: string): Promise<string> {
    return (await this.#place.daemon.fetch(this.#file(name))).text();
  }

  /** Files that have changed, with the letters that say how. */
  async changed(): Promise<string[]> {
    const { body } = await this.look("status");
    const files = body["files"] as { path: string; index: string; worktree: string }[];
    return files.map(({ path, index, worktree }) => `${index}${worktree} ${path}`);
  }

  /** What a shell prints in there, as the account `user`. */
  async shell(script: string): Promise<string> {
    const run = await this.#place.daemon.fetch(`/v1/run?user=user&cwd=${this.path}`, { method: "POST", body: script });
    expect(run.ok).toBe(true);
    return run.text();
  }

  /** Writes a file, takes it into the index and commits it. */
  async commit(name: string, text: string): Promise<void> {
    await this.write(name, text);
    await this.done("add");
    await this.done("commit", { message: `${name} is ${text}`, author: AUTHOR });
  }

  #address(what: string, more: string): string {
    return `${what}?path=${this.path}&user=user${more}`;
  }

  #file(name: string): string {
    return `/v1/files${this.path}/${encodeURIComponent(name)}?user=user`;
  }
}
