// guestd-call: hands its arguments to the daemon on a socket, writes what the daemon answers and ends as the daemon says.
//
// simple-git starts it in the place of git, and the daemon then starts git as it starts every program; git starts it to ask for a
// name or a password. So no secret is in an argument, an environment or a file on its way.
//
//   GUESTD_CALL_SOCKET   where the daemon listens
//   GUESTD_CALL_ID       which of its calls this belongs to
//
// Request: the id, the number of arguments and the arguments, a NUL after each. Answer: frames of one byte that names a descriptor,
// four bytes of length, most significant first, and the bytes; or 0 and the exit code in the place of the length.
#include <linux/un.h>
#include "../../host/shim/sys.h"

// No header of the kernel for programs has them.
enum { UNIX_SOCKET = 1, STREAM = 1 };

enum { FAILED = 125, HEADER_BYTES = 5 };

static char buffer[64 * 1024];

static _Noreturn void fail(const char *why) {
  struct text line;
  start(&line, "guestd-call: ");
  add(&line, why);
  add(&line, "\n");
  write_text(2, &line);
  leave(FAILED);
}

static void write_fully(int fd, const char *bytes, size_t count) {
  while (count > 0) {
    long written = sys(write, fd, bytes, count);
    if (written == -EINTR) continue;
    if (written < 0) leave(FAILED); // nobody reads any more
    bytes += written;
    count -= (size_t)written;
  }
}

static void read_fully(int fd, char *bytes, size_t count) {
  while (count > 0) {
    long got = sys(read, fd, bytes, count);
    if (got == -EINTR) continue;
    if (got <= 0) fail("the daemon has hung up");
    bytes += got;
    count -= (size_t)got;
  }
}

static void send_text(int fd, const char *text) {
  size_t length = 0;
  while (text[length]) length++;
  write_fully(fd, text, length + 1);
}

static int connect_to(const char *path) {
  struct sockaddr_un address = {.sun_family = UNIX_SOCKET};
  size_t length = 0;
  for (; path[length]; length++) {
    if (length + 1 >= sizeof address.sun_path) fail("the name of the socket is too long");
    address.sun_path[length] = path[length];
  }
  int fd = (int)sys(socket, UNIX_SOCKET, STREAM, 0);
  if (fd < 0 || sys(connect, fd, &address, sizeof address) < 0) fail("the daemon does not listen");
  return fd;
}

static unsigned read_length(const unsigned char *bytes) {
  return (unsigned)bytes[0] << 24 | (unsigned)bytes[1] << 16 | (unsigned)bytes[2] << 8 | bytes[3];
}

int main(int argc, char **argv, char **environment) {
  const char *path = variable(environment, "GUESTD_CALL_SOCKET"), *id = variable(environment, "GUESTD_CALL_ID");
  if (!path || !id) fail("guestd starts it, nobody else");
  int fd = connect_to(path);
  struct text count;
  start(&count, "");
  add_number(&count, argc - 1);
  count.bytes[count.length] = 0;
  send_text(fd, id);
  send_text(fd, count.bytes);
  for (int i = 1; i < argc; i++) send_text(fd, argv[i]);
  for (;;) {
    read_fully(fd, buffer, HEADER_BYTES);
    const int stream = buffer[0];
    unsigned length = read_length((const unsigned char *)buffer + 1);
    if (stream == 0) return (int)length;
    while (length > 0) {
      const unsigned part = length < sizeof buffer ? length : sizeof buffer;
      read_fully(fd, buffer, part);
      write_fully(stream, buffer, part);
      length -= part;
    }
  }
}
