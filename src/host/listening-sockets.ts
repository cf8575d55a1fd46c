import { readFileSync } from "node:fs";
import { errnoName } from "../errors.ts";
import { bind, check, type IntCall } from "./libc-binding.ts";

/** A TCP socket that somebody listens on. */
export interface ListeningSocket {
  family: "ipv4" | "ipv6";
  /** As `inet_ntop` writes it: `127.0.0.1`, `::1`, `::`. */
  address: string;
  port: number;
  uid: number;
  /** Names the socket in /proc/pid/fd, as `socket:[inode]`. */
  inode: number;
}

const AF_NETLINK = 16;
const SOCK_RAW_CLOEXEC_NONBLOCK = 3 | 0o2000000 | 0o4000;
const NETLINK_SOCK_DIAG = 4;
const SOCK_DIAG_BY_FAMILY = 20;
const NLM_F_REQUEST_DUMP = 0x301;
const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const IPPROTO_TCP = 6;
const TCP_LISTEN = 10;
const HEADER_BYTES = 16;
const REQUEST_BYTES = HEADER_BYTES + 56;
const ANSWER_BYTES = 64 * 1024;
const FAMILIES = { ipv4: 2, ipv6: 10 } as const;

const native = {
  socket: bind<IntCall<[number, number, number]>>("int socket(int domain, int type, int protocol)"),
  send: bind<IntCall<[number, Buffer, number, number]>>(
    "long send(int fd, const void *bytes, size_t length, int flags)",
  ),
  recv: bind<IntCall<[number, Buffer, number, number]>>("long recv(int fd, void *bytes, size_t length, int flags)"),
  close: bind<IntCall<[number]>>("int close(int fd)"),
};

/**
 * Asks the kernel which TCP sockets of this network namespace are listening. It lists only those, whatever number of
 * connections there is (sock_diag(7)); where it cannot be asked, /proc/net is read.
 */
export class ListeningSockets implements Disposable {
  readonly #answer = Buffer.allocUnsafeSlow(ANSWER_BYTES);
  readonly #fd: number | undefined;

  constructor() {
    this.#fd = open();
  }

  list(): ListeningSocket[] {
    const fd = this.#fd;
    if (fd === undefined) return readProc();
    return [...this.#ask(fd, "ipv4"), ...this.#ask(fd, "ipv6")];
  }

  [Symbol.dispose](): void {
    if (this.#fd !== undefined) native.close(this.#fd);
  }

  #ask(fd: number, family: keyof typeof FAMILIES): ListeningSocket[] {
    const request = dumpRequest(FAMILIES[family]);
    check(native.send(fd, request, request.length, 0), "send");
    const found: ListeningSocket[] = [];
    for (;;) {
      const length = check(native.recv(fd, this.#answer, ANSWER_BYTES, 0), "recv");
      if (readMessages(this.#answer.subarray(0, length), family, found)) return found;
    }
  }
}

/** The socket to ask on; undefined where the kernel does not answer such questions. */
function open(): number | undefined {
  const fd = native.socket(AF_NETLINK, SOCK_RAW_CLOEXEC_NONBLOCK, NETLINK_SOCK_DIAG);
  if (fd < 0) return undefined;
  const request = dumpRequest(FAMILIES.ipv4);
  const answer = Buffer.alloc(ANSWER_BYTES);
  let isAnswered = native.send(fd, request, request.length, 0) === request.length;
  for (let isDone = false; isAnswered && !isDone;) {
    const length = native.recv(fd, answer, ANSWER_BYTES, 0);
    isAnswered = length >= HEADER_BYTES && answer.readUInt16LE(4) !== NLMSG_ERROR;
    isDone = isAnswered && readMessages(answer.subarray(0, length), "ipv4", []);
  }
  if (isAnswered) return fd;
  native.close(fd);
  return undefined;
}

function dumpRequest(family: number): Buffer {
  const request = Buffer.alloc(REQUEST_BYTES);
  request.writeUInt32LE(REQUEST_BYTES, 0);
  request.writeUInt16LE(SOCK_DIAG_BY_FAMILY, 4);
  request.writeUInt16LE(NLM_F_REQUEST_DUMP, 6);
  request.writeUInt8(family, HEADER_BYTES);
  request.writeUInt8(IPPROTO_TCP, HEADER_BYTES + 1);
  request.writeUInt32LE(1 << TCP_LISTEN, HEADER_BYTES + 4);
  return request;
}

/** Appends the sockets of one answer; true when it was the last. */
function readMessages(answer: Buffer, family: keyof typeof FAMILIES, found: ListeningSocket[]): boolean {
  for (let at = 0; at + HEADER_BYTES <= answer.length;) {
    const length = answer.readUInt32LE(at);
    const type = answer.readUInt16LE(at + 4);
    if (type === NLMSG_DONE || type === NLMSG_ERROR || length < HEADER_BYTES) return true;
    // struct inet_diag_msg
    const message = answer.subarray(at + HEADER_BYTES, at + length);
    found.push({
      family,
      address: addressText(message.subarray(8, family === "ipv4" ? 12 : 24)),
      port: message.readUInt16BE(4),
      uid: message.readUInt32LE(64),
      inode: message.readUInt32LE(68),
    });
    at += (length + 3) & ~3;
  }
  return false;
}

function addressText(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join(".");
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(index * 2).toString(16));
  // The URL parser writes addresses in their one canonical form.
  return new URL(`http://[${groups.join(":")}]`).hostname.slice(1, -1);
}

function readProc(): ListeningSocket[] {
  return (["ipv4", "ipv6"] as const).flatMap((family) => {
    try {
      const text = readFileSync(`/proc/net/${family === "ipv4" ? "tcp" : "tcp6"}`, "latin1");
      return parseProcNet(text, family);
    } catch (error) {
      if (errnoName(error) === "ENOENT") return []; // no IPv6 here
      throw error;
    }
  });
}

/** The listening sockets of /proc/net/tcp or tcp6: addresses in words of the machine's byte order. */
export function parseProcNet(text: string, family: ListeningSocket["family"]): ListeningSocket[] {
  const lines = text.trim().split("\n").slice(1);
  return lines.flatMap((line) => {
    const [, local = "", , state = "", , , , uid = "", , inode = ""] = line.trim().split(/\s+/);
    if (Number.parseInt(state, 16) !== TCP_LISTEN) return [];
    const [hex = "", port = ""] = local.split(":");
    const bytes = Buffer.from(hex, "hex").swap32();
    return [
      { family, address: addressText(bytes), port: Number.parseInt(port, 16), uid: Number(uid), inode: Number(inode) },
    ];
  });
}
