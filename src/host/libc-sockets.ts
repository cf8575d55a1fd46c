import { bind, check, type IntCall } from "./libc-binding.ts";

/* What the C library knows of sockets and Node does not tell. */

const SOL_SOCKET = 1;
const SO_PEERCRED = 17;
/** Three numbers of four bytes: pid, uid, gid. */
const CREDENTIALS_BYTES = 12;

const getsockopt = bind<IntCall<[number, number, number, Buffer, number[]]>>(
  "int getsockopt(int fd, int level, int name, void *value, _Inout_ unsigned int *length)",
);

/** The process that has connected a Unix socket, as the kernel noted it then. @throws the system error */
export function peerOf(fd: number): { pid: number; uid: number } {
  const credentials = Buffer.alloc(CREDENTIALS_BYTES);
  check(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, credentials, [CREDENTIALS_BYTES]), "getsockopt SO_PEERCRED");
  return { pid: credentials.readInt32LE(0), uid: credentials.readUInt32LE(4) };
}
