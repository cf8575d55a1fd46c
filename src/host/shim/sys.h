// What the shim has instead of a C library: system calls by name, and the little text handling it needs.
//
// A static C library spends more time on its own start (questions to the processor that a virtual machine's host must answer,
// thread-local storage, page faults) than the shim takes for everything else. Types and constants are the kernel's own.
#ifndef GUESTD_SYS_H
#define GUESTD_SYS_H

// First, since older <asm/signal.h> expect size_t.
#include <stddef.h>

#include <asm/ioctls.h>
#include <asm/signal.h>
#include <asm/stat.h>
#include <asm/termbits.h>
#include <asm/unistd.h>
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/limits.h>
#include <linux/prctl.h>
#include <linux/resource.h>
#include <linux/stat.h>

// NSIG of the headers counts the classic signals only.
enum { LAST_SIGNAL = 64, SIGNAL_SET_BYTES = LAST_SIGNAL / 8 };

static inline long system_call(long number, long a, long b, long c, long d, long e) {
#if defined(__x86_64__)
  long result;
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8) : "rcx", "r11", "memory");
  return result;
#elif defined(__aarch64__)
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  register long x4 __asm__("x4") = e;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory");
  return x0;
#else
#error "the shim knows the system calls of x86-64 and aarch64 only"
#endif
}

// sys(close, 3): a system call with up to five arguments; its result, or -errno.
#define sys(name, ...) SYS_PADDED(__NR_##name, ##__VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define SYS_PADDED(number, a, b, c, d, e, ...) system_call(number, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e))

_Noreturn void leave(int code);

// Runs `child` in a process of its own that shares our memory, while we wait until it has executed a program or left; it must
// not return. Its process id, or -errno.
int run_until_exec(void (*child)(void *), void *argument);

// Calls `handler` on a signal, which interrupts system calls.
void handle_signal(int number, void (*handler)(int));

const char *variable(char **environment, const char *name);

// Like execvpe: searches the PATH of `environment` for a name without a slash and hands a file that is no format the kernel
// knows to the shell. Returns only if nothing could be executed, with the errno that says why.
int execute(const char *name, char **argv, char **environment);

// Whether a folder of the search path has a regular file of that name.
int is_on_search_path(const char *name, char **environment);

// What strerror(3) says of an error that executing a file ends with, or NULL.
const char *error_text(int error);

int has_slash(const char *text);

// The number `text` begins with; `end`, if not NULL, becomes what follows it.
long read_number(const char *text, const char **end);

// Text under construction; what does not fit is cut off.
struct text {
  size_t length;
  char bytes[512];
};

void start(struct text *text, const char *first);
void add(struct text *text, const char *more);
void add_some(struct text *text, const char *more, size_t at_most);
void add_number(struct text *text, long number);
void write_text(int fd, const struct text *text);

int main(int argc, char **argv, char **environment);

#endif
