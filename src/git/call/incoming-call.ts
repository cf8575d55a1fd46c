import type { Socket } from "node:net";

const STREAMS = { stdout: 1, stderr: 2 } as const;
const END = 0;
const HEADER_BYTES = 5;

/** One `guestd-call` that waits for its answer. */
export class IncomingCall {
  readonly args: readonly string[];
  /** Who has called, as the kernel says. */
  readonly peer: { readonly pid: number; readonly uid: number };
  readonly #socket: Socket;

  constructor(parts: { socket: Socket; args: readonly string[]; peer: { pid: number; uid: number } }) {
    this.args = parts.args;
    this.peer = parts.peer;
    this.#socket = parts.socket;
  }

  /** Lets it write a copy of `bytes` to its standard output or error; false: not more before `onDrain`. */
  write(stream: "stdout" | "stderr", bytes: Uint8Array): boolean {
    return this.#send(STREAMS[stream], bytes.length, bytes);
  }

  onDrain(listener: () => void): void {
    this.#socket.on("drain", listener);
  }

  /** Calls `listener` when it is gone, whoever has ended it. */
  onClose(listener: () => void): void {
    if (this.#socket.destroyed) listener();
    else this.#socket.once("close", listener);
  }

  /** Lets it end with this exit code. */
  end(exitCode: number): void {
    this.#send(END, exitCode, new Uint8Array());
    this.#socket.end();
  }

  #send(kind: number, length: number, bytes: Uint8Array): boolean {
    if (this.#socket.destroyed) return true;
    const frame = Buffer.allocUnsafe(HEADER_BYTES + bytes.length);
    frame.writeUInt8(kind, 0);
    frame.writeUInt32BE(length, 1);
    frame.set(bytes, HEADER_BYTES);
    return this.#socket.write(frame);
  }
}
