#include "sys.h"

// The kernel starts a program with the stack pointer at its argument count, and nothing to return to.
#if defined(__x86_64__)
__asm__(".globl _start\n_start: xor %ebp, %ebp\n mov %rsp, %rdi\n and $-16, %rsp\n call begin\n hlt\n");
#elif defined(__aarch64__)
__asm__(".globl _start\n_start: mov x29, #0\n mov x30, #0\n mov x0, sp\n bl begin\n brk #0\n");
#endif

_Noreturn __attribute__((used)) void begin(long *stack) {
  char **argv = (char **)(stack + 1);
  leave(main((int)stack[0], argv, argv + stack[0] + 1));
}

void leave(int code) {
  for (;;) sys(exit_group, code);
}

// As in vfork(2) the child works on our stack, below all that is ours (x86-64: also below the 128 bytes that a function may use
// beneath its stack pointer). It is called from here and never returns, so no frame of ours is left twice.
int run_until_exec(void (*child)(void *), void *argument) {
  const long shared = 0x00000100 /* CLONE_VM */ | 0x00004000 /* CLONE_VFORK */ | SIGCHLD;
#if defined(__x86_64__)
  long result;
  register long r10 __asm__("r10") = 0;
  register long r8 __asm__("r8") = 0;
  __asm__ volatile(
      "syscall\n"
      "test %%rax, %%rax\n"
      "jnz 1f\n"
      "lea -128(%%rsp), %%rsp\n"
      "and $-16, %%rsp\n"
      "mov %[argument], %%rdi\n"
      "call *%[child]\n"
      "hlt\n"
      "1:"
      : "=a"(result)
      : "a"((long)__NR_clone), "D"(shared), "S"(0L), "d"(0L), "r"(r10), "r"(r8), [child] "b"(child), [argument] "r"(argument)
      : "rcx", "r11", "cc", "memory");
  return (int)result;
#elif defined(__aarch64__)
  register long x8 __asm__("x8") = __NR_clone;
  register long x0 __asm__("x0") = shared;
  register long x1 __asm__("x1") = 0;
  register long x2 __asm__("x2") = 0;
  register long x3 __asm__("x3") = 0;
  register long x4 __asm__("x4") = 0;
  __asm__ volatile(
      "svc 0\n"
      "cbnz x0, 1f\n"
      "mov x0, %[argument]\n"
      "blr %[child]\n"
      "brk #0\n"
      "1:"
      : "+r"(x0)
      : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), [child] "r"(child), [argument] "r"(argument)
      : "cc", "memory");
  return (int)x0;
#endif
}

#if defined(__x86_64__)
// Where a signal handler returns to; other architectures have it in the vDSO.
void return_from_signal(void);
__asm__(".globl return_from_signal\nreturn_from_signal: mov $15, %eax\n syscall\n");
_Static_assert(__NR_rt_sigreturn == 15, "return_from_signal calls it by number");
#endif

void handle_signal(int number, void (*handler)(int)) {
  struct sigaction action = {.sa_handler = handler};
#if defined(__x86_64__)
  action.sa_flags = SA_RESTORER;
  action.sa_restorer = return_from_signal;
#endif
  sys(rt_sigaction, number, &action, NULL, SIGNAL_SET_BYTES);
}

// Compilers call these for what the code says otherwise.
void *memset(void *to, int byte, size_t count) {
  for (char *c = to; count > 0; count--) *c++ = (char)byte;
  return to;
}

void *memcpy(void *restrict to, const void *restrict from, size_t count) {
  char *t = to;
  for (const char *f = from; count > 0; count--) *t++ = *f++;
  return to;
}

void *memmove(void *to, const void *from, size_t count) {
  char *t = to;
  const char *f = from;
  if (t < f) return memcpy(to, from, count);
  while (count-- > 0) t[count] = f[count];
  return to;
}

int memcmp(const void *a, const void *b, size_t count) {
  const unsigned char *x = a, *y = b;
  for (; count > 0; count--, x++, y++)
    if (*x != *y) return *x - *y;
  return 0;
}

static size_t length_up_to(const char *text, char end) {
  size_t length = 0;
  while (text[length] && text[length] != end) length++;
  return length;
}

int has_slash(const char *text) { return text[length_up_to(text, '/')] == '/'; }

long read_number(const char *text, const char **end) {
  int is_negative = *text == '-';
  unsigned long number = 0;
  for (text += is_negative; *text >= '0' && *text <= '9'; text++) number = number * 10 + (unsigned long)(*text - '0');
  if (end) *end = text;
  return is_negative ? -(long)number : (long)number;
}

// Only as much of it is initialised as is used.
void start(struct text *text, const char *first) {
  text->length = 0;
  add(text, first);
}

void add(struct text *text, const char *more) { add_some(text, more, sizeof text->bytes); }

void add_some(struct text *text, const char *more, size_t at_most) {
  for (; *more && at_most > 0 && text->length < sizeof text->bytes; at_most--) text->bytes[text->length++] = *more++;
}

void add_number(struct text *text, long number) {
  char digits[24], *first = digits + sizeof digits - 1;
  unsigned long rest = number < 0 ? 0UL - (unsigned long)number : (unsigned long)number;
  *first = 0;
  do *--first = (char)('0' + rest % 10);
  while (rest /= 10);
  if (number < 0) *--first = '-';
  add(text, first);
}

void write_text(int fd, const struct text *text) {
  while (sys(write, fd, text->bytes, text->length) == -EINTR) {}
}

const char *variable(char **environment, const char *name) {
  for (; *environment; environment++) {
    const char *n = name, *entry = *environment;
    while (*n && *n == *entry) n++, entry++;
    if (!*n && *entry == '=') return entry + 1;
  }
  return NULL;
}

// Room for any folder of a search path, a slash, a name and the end.
enum { SEARCHED_BYTES = PATH_MAX + NAME_MAX + 1 };

// One step of a search: writes the path of the file in the folder that `path` begins with (an empty one is the working
// directory), or an empty string for a folder longer than any. Returns the rest of `path`, NULL after the last folder.
static const char *next_file(const char *path, const char *name, char file[SEARCHED_BYTES]) {
  size_t folder = length_up_to(path, ':'), length = length_up_to(name, 0);
  const char *rest = path[folder] ? path + folder + 1 : NULL;
  *file = 0;
  if (folder >= PATH_MAX || length > NAME_MAX) return rest;
  memcpy(file, path, folder);
  if (folder > 0) file[folder++] = '/';
  memcpy(file + folder, name, length + 1);
  return rest;
}

static const char *search_path(char **environment) {
  const char *path = variable(environment, "PATH");
  return path ? path : "/bin:/usr/bin";
}

int is_on_search_path(const char *name, char **environment) {
  char file[SEARCHED_BYTES];
  struct stat found;
  for (const char *path = search_path(environment); path;) {
    path = next_file(path, name, file);
    if (sys(newfstatat, AT_FDCWD, file, &found, 0) == 0 && S_ISREG(found.st_mode)) return 1;
  }
  return 0;
}

// Its arguments are copied: the caller's array must stay as it is.
static int execute_script(const char *file, char **argv, char **environment) {
  size_t count = 0;
  while (argv[count]) count++;
  const char *with_shell[count + 2];
  with_shell[0] = "/bin/sh";
  with_shell[1] = file;
  for (size_t i = 1; i <= count; i++) with_shell[i + 1] = argv[i];
  return (int)-sys(execve, with_shell[0], with_shell, environment);
}

static int execute_file(const char *file, char **argv, char **environment) {
  int error = (int)-sys(execve, file, argv, environment);
  return error == ENOEXEC ? execute_script(file, argv, environment) : error;
}

int execute(const char *name, char **argv, char **environment) {
  char file[SEARCHED_BYTES];
  int error = ENOENT, is_forbidden = 0;
  if (!*name) return ENOENT;
  if (has_slash(name)) return execute_file(name, argv, environment);
  if (length_up_to(name, 0) > NAME_MAX) return ENAMETOOLONG;
  for (const char *path = search_path(environment); path;) {
    path = next_file(path, name, file);
    error = execute_file(file, argv, environment);
    if (error == EACCES) is_forbidden = 1;
    // The file is not there, or its folder is gone; anything else says that it was found.
    else if (error != ENOENT && error != ENOTDIR && error != ESTALE && error != ENODEV && error != ETIMEDOUT) return error;
  }
  return is_forbidden ? EACCES : error;
}

const char *error_text(int error) {
  switch (error) {
    case E2BIG: return "Argument list too long";
    case EACCES: return "Permission denied";
    case EAGAIN: return "Resource temporarily unavailable";
    case EBADMSG: return "Bad message";
    case ECONNABORTED: return "Software caused connection abort";
    case EFAULT: return "Bad address";
    case EINTR: return "Interrupted system call";
    case EINVAL: return "Invalid argument";
    case EIO: return "Input/output error";
    case EISDIR: return "Is a directory";
    case ELIBBAD: return "Accessing a corrupted shared library";
    case ELOOP: return "Too many levels of symbolic links";
    case EMFILE: return "Too many open files";
    case ENAMETOOLONG: return "File name too long";
    case ENFILE: return "Too many open files in system";
    case ENODEV: return "No such device";
    case ENOENT: return "No such file or directory";
    case ENOEXEC: return "Exec format error";
    case ENOMEM: return "Cannot allocate memory";
    case ENOSYS: return "Function not implemented";
    case ENOTCONN: return "Transport endpoint is not connected";
    case ENOTDIR: return "Not a directory";
    case ENXIO: return "No such device or address";
    case EOVERFLOW: return "Value too large for defined data type";
    case EPERM: return "Operation not permitted";
    case ESTALE: return "Stale file handle";
    case ETIMEDOUT: return "Connection timed out";
    case ETXTBSY: return "Text file busy";
    default: return NULL;
  }
}
