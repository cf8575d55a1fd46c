import { Socket, type SocketConstructorOpts } from "node:net";
import { ReadStream } from "node:tty";
import { readableBytes } from "./libc.ts";

/**
 * All pipes read into one buffer: a read and its callback happen in one turn of the loop, so nobody else can be using it,
 * and a pipe that is silent costs no memory.
 */
const READ_BUFFER = Buffer.allocUnsafeSlow(64 * 1024);

/** Takes bytes that are only valid during the call; returns false to stop reading until `resume()`. */
export type ByteSink = (bytes: Buffer) => boolean;

/** The reading end of a pipe, or our end of a terminal, that a program writes to. Owns its descriptor. */
export class OutputPipe {
  readonly #fd: number;
  readonly #socket: Socket;
  readonly #ended = Promise.withResolvers<void>();
  #isEnded = false;
  #isPaused = false;
  #bytesRead = 0;

  constructor(fd: number, sink: ByteSink, options: { isTerminal?: boolean } = {}) {
    this.#fd = fd;
    this.#socket = open(
      fd,
      {
        readable: true,
        writable: false,
        onread: {
          buffer: READ_BUFFER,
          callback: (length, buffer) => {
            this.#bytesRead += length;
            const goOn = sink(Buffer.from(buffer.buffer, buffer.byteOffset, length));
            this.#isPaused = !goOn;
            return goOn;
          },
        },
      },
      options.isTerminal ?? false,
    );
    const end = (): void => {
      this.#isEnded = true;
      this.#ended.resolve();
    };
    this.#socket.once("end", end).once("close", end);
    // A pipe fails only when its descriptor is gone, a terminal when nobody has its other side open: that is the end of it.
    this.#socket.on("error", end);
    this.#socket.resume();
  }

  /** Resolves once every writer has closed the pipe and everything in it was delivered, or on `destroy()`. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** Bytes delivered so far. */
  get bytesRead(): number {
    return this.#bytesRead;
  }

  /** Bytes written by the program that were not delivered yet. */
  unreadBytes(): number {
    return this.#isEnded || this.#socket.destroyed ? 0 : readableBytes(this.#fd);
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#socket.resume();
  }

  /** Stops reading for good: whoever still writes gets a broken pipe. */
  destroy(): void {
    this.#socket.destroy();
  }
}

function open(fd: number, options: SocketConstructorOpts, isTerminal: boolean): Socket {
  return isTerminal ? new ReadStream(fd, options) : new Socket({ ...options, fd });
}
