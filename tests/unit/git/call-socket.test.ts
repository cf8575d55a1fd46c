import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, test } from "vitest";
import { CallSocket } from "../../../src/git/call/call-socket.ts";
import { REPOSITORY } from "../../helpers/daemon.ts";

const source = join(REPOSITORY, "dist", "guestd-call");

let stack: AsyncDisposableStack;
let folder = "";
beforeEach(() => {
  stack = new AsyncDisposableStack();
  folder = mkdtempSync(join(tmpdir(), "guestd-call-"));
  stack.defer(() => rmSync(folder, { recursive: true, force: true }));
});
afterEach(async () => stack.disposeAsync());

test("who says nothing, or not all of it, is not waited for", async () => {
  const calls = stack.use(new CallSocket({ folder, source, requestMs: 20 }));
  using _handler = calls.handle("id", () => expect.unreachable());
  const { socket } = await calls.open();
  for (const said of ["", "id", "id\x003\0a\0"]) {
    const caller = connect(socket);
    caller.write(said);
    await once(caller.resume(), "close");
  }
});

test("who names an unknown id is sent away at once", async () => {
  const calls = stack.use(new CallSocket({ folder, source, requestMs: 600_000 }));
  const { socket } = await calls.open();
  const caller = connect(socket);
  caller.write("other\0");
  await once(caller.resume(), "close");
});

test("what a handler throws ends its call alone", async () => {
  const calls = stack.use(new CallSocket({ folder, source }));
  using _failing = calls.handle("failing", () => {
    throw new Error("no");
  });
  using _handler = calls.handle("id", (call) => call.end(7));
  const place = await calls.open();
  for (const [id, code] of [
    ["failing", 125],
    ["id", 7],
  ] as const) {
    const env = { GUESTD_CALL_SOCKET: place.socket, GUESTD_CALL_ID: id };
    await expect(promisify(execFile)(place.program, ["a"], { env })).rejects.toMatchObject({ code });
  }
});

test("who is served has all the time", async () => {
  const calls = stack.use(new CallSocket({ folder, source, requestMs: 500 }));
  // As long as it takes until another one is not waited for any more.
  using _handler = calls.handle("id", (call) => {
    const other = connect(place.socket).resume();
    other.once("close", () => call.end(7));
  });
  const place = await calls.open();
  const env = { GUESTD_CALL_SOCKET: place.socket, GUESTD_CALL_ID: "id" };
  await expect(promisify(execFile)(place.program, ["a"], { env })).rejects.toMatchObject({ code: 7 });
});
