import type { IPty } from "node-pty";
import { NextEvent } from "./next-event.ts";
import { ECHO_PROGRAM, TERMINAL_SIZE } from "./terminal-programs.ts";

/** A terminal as node-pty gives it, with bytes instead of text. */
export async function openBareTerminal(command: readonly string[], onBytes: (bytes: Buffer) => void): Promise<IPty> {
  const pty = await import("node-pty");
  const [file = "", ...args] = command;
  const terminal = pty.spawn(file, args, { ...TERMINAL_SIZE, encoding: null, name: "xterm-256color" });
  terminal.onData((bytes) => onBytes(bytes as unknown as Buffer));
  return terminal;
}

/** Time from writing a key to reading its echo, one key after the other, in ms. */
export async function bareTerminalEcho({ count }: { count: number }): Promise<number[]> {
  const output = new NextEvent();
  const ready = output.next();
  const terminal = await openBareTerminal(ECHO_PROGRAM, () => output.happened());
  const exited = new Promise<void>((resolve) => terminal.onExit(() => resolve()));
  await ready;
  const times: number[] = [];
  for (let index = 0; index < count; index += 1) {
    const echoed = output.next();
    const began = performance.now();
    terminal.write("a");
    await echoed;
    times.push(performance.now() - began);
  }
  terminal.kill("SIGKILL");
  await exited;
  return times;
}

/** Reads all that a program prints to its terminal. */
export async function bareTerminalDrain({
  command,
}: {
  command: [string, ...string[]];
}): Promise<{ bytes: number; seconds: number }> {
  await import("node-pty"); // its loading is not the terminal's time
  const began = performance.now();
  let bytes = 0;
  const terminal = await openBareTerminal(command, (chunk) => (bytes += chunk.length));
  await new Promise<void>((resolve) => terminal.onExit(() => resolve()));
  return { bytes, seconds: (performance.now() - began) / 1000 };
}
