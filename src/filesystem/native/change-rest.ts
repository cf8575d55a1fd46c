import { ChangeBody, ChangeQuery, RemoveQuery } from "../../contracts/native-files.ts";
import type { EdgeContext } from "../../edge/request-context.ts";
import { parseJsonBody, parseQuery } from "../../edge/validate.ts";
import type { Changes } from "../changes.ts";
import type { Caller, Filesystem } from "../filesystem.ts";
import { expectationOf } from "./conditions-rest.ts";
import { nativeEntry } from "./entry-rest.ts";
import { callerOf, pathOf } from "./path-rest.ts";

/** Larger bodies are no description of a change. */
const MAX_BODY_BYTES = 64 * 1024;

export interface Changing {
  filesystem: Filesystem;
  changes: Changes;
}

/** Answers `DELETE`. */
export async function removePath(c: EdgeContext, { changes }: Changing): Promise<Response> {
  const { user, recursive: isRecursive = false } = parseQuery(c, RemoveQuery);
  await changes.remove(pathOf(c), { isRecursive, expect: expectationOf(c) }, callerOf(c, user));
  return c.body(null, 204);
}

/** Answers `POST`: does what the body says, and tells of what is there afterwards. */
export async function changePath(c: EdgeContext, { changes, filesystem }: Changing): Promise<Response> {
  const caller = callerOf(c, parseQuery(c, ChangeQuery).user);
  const path = pathOf(c);
  const body = await parseJsonBody(c, ChangeBody, MAX_BODY_BYTES);
  const { isNew, at } = await change(changes, { path, body, caller });
  return c.json(nativeEntry(await filesystem.stat(at, caller)), isNew ? 201 : 200);
}

interface Change {
  path: string;
  body: ChangeBody;
  caller: Caller;
}

/** Where the result is, and whether there was nothing before. */
async function change(changes: Changes, { path, body, caller }: Change): Promise<{ isNew: boolean; at: string }> {
  switch (body.op) {
    case "mkdir":
      return { isNew: await changes.makeDirectory(path, { mode: body.mode }, caller), at: path };
    case "move":
      return { isNew: false, at: await changes.move(path, body.to, { mayReplace: body.overwrite }, caller) };
    case "copy":
      return { isNew: true, at: await changes.copy(path, body.to, { mayReplace: body.overwrite }, caller) };
    case "chmod":
      await changes.changeMode(path, { mode: body.mode, isRecursive: body.recursive }, caller);
      return { isNew: false, at: path };
    case "chown":
      await changes.changeOwner(path, { owner: body.owner, group: body.group, isRecursive: body.recursive }, caller);
      return { isNew: false, at: path };
    case "symlink":
      await changes.link(path, { target: body.target, mayReplace: body.overwrite }, caller);
      return { isNew: true, at: path };
  }
}
