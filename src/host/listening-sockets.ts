import { readFileSync } from "node:fs";
import { errnoName } from "../errors.ts";
import { bind, check, type IntCall } from "./libc-binding.ts";

/** A TCP socket that somebody listens on. */
export interface ListeningSocket {
  family: "ipv4" | "ipv6";
  /** As `inet_ntop` writes it: `127.0.0.1`, `::1`, `::`; `::ffff:127.0.0.1` where an IPv6 socket (Java's) serves IPv4. */
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
/** How the IPv6 form of an IPv4 address begins. */
const MAPPED = Buffer.from("00000000000000000000ffff", "hex");

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
  #fd = open();
  readonly #canAsk = this.#fd !== undefined;
  /** What was answered last, word for word, and what that means. */
  #last: { answers: Buffer; sockets: readonly ListeningSocket[] } | undefined;

  /** The same array as before when nothing has changed. @throws the system's error when neither way works, as without a free descriptor */
  list(): readonly ListeningSocket[] {
    return (this.#canAsk && this.#ask()) || readProc();
  }

  [Symbol.dispose](): void {
    if (this.#fd !== undefined) native.close(this.#fd);
    this.#fd = undefined;
  }

  /** Undefined when the kernel breaks off; what is then left in the socket would be taken for the next answer: it is another one next time. */
  #ask(): readonly ListeningSocket[] | undefined {
    this.#fd ??= open();
    if (this.#fd === undefined) return undefined;
    try {
      const ipv4 = ask(this.#fd, "ipv4", this.#answer);
      const ipv6 = ask(this.#fd, "ipv6", this.#answer);
      const answers = Buffer.concat([...ipv4, ...ipv6]);
      // To compare is a hundred times less than to read.
      if (!this.#last?.answers.equals(answers)) {
        this.#last = { answers, sockets: [...readMessages(ipv4, "ipv4"), ...readMessages(ipv6, "ipv6")] };
      }
      return this.#last.sockets;
    } catch {
      this[Symbol.dispose]();
      return undefined;
    }
  }
}

/** The socket to ask on; undefined where the kernel does not answer such questions. */
function open(): number | undefined {
  const fd = native.socket(AF_NETLINK, SOCK_RAW_CLOEXEC_NONBLOCK, NETLINK_SOCK_DIAG);
  if (fd < 0) return undefined;
  try {
    ask(fd, "ipv4", Buffer.alloc(ANSWER_BYTES));
    return fd;
  } catch {
    native.close(fd);
    return undefined;
  }
}

/** An answer, datagram by datagram. @throws Error when there is no end to come */
function ask(fd: number, family: keyof typeof FAMILIES, answer: Buffer): Buffer[] {
  const request = dumpRequest(FAMILIES[family]);
  check(native.send(fd, request, request.length, 0), "send");
  const datagrams: Buffer[] = [];
  for (;;) {
    const length = check(native.recv(fd, answer, ANSWER_BYTES, 0), "recv");
    const datagram = Buffer.from(answer.subarray(0, length));
    datagrams.push(datagram);
    if (messagesOf(datagram).some(({ isEnd }) => isEnd)) return datagrams;
  }
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

/** Type and place of each message of a datagram, the kernel's sockets and the end of their list. @throws Error when it breaks off */
function* messagesOf(datagram: Buffer): Generator<{ isEnd: boolean; start: number; end: number }> {
  for (let start = 0; start + HEADER_BYTES <= datagram.length;) {
    const length = datagram.readUInt32LE(start);
    const type = datagram.readUInt16LE(start + 4);
    if (type === NLMSG_ERROR || length < HEADER_BYTES) throw new Error("the kernel broke off its list of sockets");
    yield { isEnd: type === NLMSG_DONE, start, end: start + length };
    start += (length + 3) & ~3;
  }
}

function readMessages(datagrams: readonly Buffer[], family: keyof typeof FAMILIES): ListeningSocket[] {
  const found: ListeningSocket[] = [];
  for (const datagram of datagrams) {
    for (const { isEnd, start, end } of messagesOf(datagram)) {
      if (isEnd) break;
      // struct inet_diag_msg
      const message = datagram.subarray(start + HEADER_BYTES, end);
      found.push({
        family,
        address: addressText(message.subarray(8, family === "ipv4" ? 12 : 24)),
        port: message.readUInt16BE(4),
        uid: message.readUInt32LE(64),
        inode: message.readUInt32LE(68),
      });
    }
  }
  return found;
}

function addressText(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join(".");
  if (bytes.subarray(0, MAPPED.length).equals(MAPPED)) return `::ffff:${bytes.subarray(MAPPED.length).join(".")}`;
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
