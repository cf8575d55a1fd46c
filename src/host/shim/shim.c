// guestd-shim: one tiny process between the daemon and each program, as conmon and containerd-shim are for containers.
//
// It gives the program its user, groups, limits, session and terminal, reports what became of it, and as sub-reaper adopts
// everything the program leaves behind: a run's process tree is always its shim's descendants, also after setsid and double forks.
//
//   guestd-shim [options] -- program args...
//     -u UID -g GID -G GID,GID...   identity (all three, or none: stay who the daemon is)
//     -d DIR                        working directory, entered with the program's identity
//     -n N                          soft limit of open descriptors
//     -o N                          oom_score_adj
//     -p N                          niceness
//     -k N                          descriptors 3 .. 2+N also belong to the program (kernels speak on them)
//     -x                            kill the program when the daemon dies (a kernel without its daemon is of no use)
//     -t                            descriptor 0 is a terminal: it becomes the program's controlling terminal and its user's
//
// The environment it is started with is the program's. Reports, one line each:
//   pid N            the program runs (or could not be executed: then it ends with 126 or 127 and says so on its standard error)
//   fail STAGE ERRNO the program was not started; STAGE is fork, groups, gid, uid or dir. Nothing follows.
//   end STATUS USER_US SYSTEM_US MAXRSS_KIB MINFLT MAJFLT INBLOCK OUBLOCK NVCSW NIVCSW    the program's wait4(2)
//   gone             nothing it started is left
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <grp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

enum { MAX_GROUPS = 1024, IOPRIO_BEST_EFFORT_4 = (2 << 13) | 4, CLOSE_RANGE_ON_EXEC = 4 };

struct options {
  long uid, gid, nofile, oom_score_adj, niceness, kept;
  int terminal, dies_with_daemon, report, has_groups, has_oom, has_niceness;
  size_t group_count;
  gid_t groups[MAX_GROUPS];
  const char *dir;
};

// Set by the child of vfork(2), which shares our memory until it executes the program.
static volatile const char *failed_stage;
static volatile int failed_errno;

static void say(int report, const char *format, ...) {
  char line[256];
  va_list args;
  va_start(args, format);
  int length = vsnprintf(line, sizeof line, format, args);
  va_end(args);
  while (length > 0 && write(report, line, (size_t)length) < 0 && errno == EINTR) {}
}

static void read_groups(struct options *o, char *list) {
  o->has_groups = 1;
  for (char *g = strtok(list, ","); g && o->group_count < MAX_GROUPS; g = strtok(NULL, ",")) o->groups[o->group_count++] = (gid_t)atol(g);
}

static int read_options(struct options *o, int argc, char **argv) {
  int option;
  *o = (struct options){.uid = -1, .gid = -1};
  while ((option = getopt(argc, argv, "+u:g:G:d:n:o:p:k:tx")) != -1) switch (option) {
    case 'u': o->uid = atol(optarg); break;
    case 'g': o->gid = atol(optarg); break;
    case 'G': read_groups(o, optarg); break;
    case 'd': o->dir = optarg; break;
    case 'n': o->nofile = atol(optarg); break;
    case 'o': o->oom_score_adj = atol(optarg); o->has_oom = 1; break;
    case 'p': o->niceness = atol(optarg); o->has_niceness = 1; break;
    case 'k': o->kept = atol(optarg); break;
    case 't': o->terminal = 1; break;
    case 'x': o->dies_with_daemon = 1; break;
    default: return -1;
  }
  o->report = 3 + (int)o->kept;
  return argv[optind] ? 0 : -1;
}

// The program gets its descriptors and nothing that leaked in. Kernels older than 5.11 have no close_range with this flag.
static void close_on_exec_from(unsigned first) {
  if (syscall(SYS_close_range, first, ~0U, CLOSE_RANGE_ON_EXEC) == 0) return;
  for (long fd = first, last = sysconf(_SC_OPEN_MAX); fd < last; fd++) fcntl((int)fd, F_SETFD, FD_CLOEXEC);
}

// By system call: the C library keeps 32 and 33 for itself, and its posix_spawn leaves them ignored.
static void clean_signals(void) {
  struct { void (*handler)(int); unsigned long flags; void (*restorer)(void); unsigned long long mask; } standard = {SIG_DFL, 0, NULL, 0};
  sigset_t none;
  for (int s = 1; s < NSIG; s++) syscall(SYS_rt_sigaction, s, &standard, NULL, sizeof standard.mask);
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
}

static void apply_limits(const struct options *o) {
  struct rlimit limit;
  if (o->nofile && getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = (rlim_t)o->nofile < limit.rlim_max ? (rlim_t)o->nofile : limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
  }
  // Best effort, all three: without privileges they may only get worse for the program, never better.
  if (o->has_niceness) setpriority(PRIO_PROCESS, 0, (int)o->niceness), syscall(SYS_ioprio_set, 1, 0, IOPRIO_BEST_EFFORT_4);
  int file = o->has_oom ? open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC) : -1;
  if (file >= 0) {
    char text[16];
    int length = snprintf(text, sizeof text, "%ld", o->oom_score_adj);
    if (write(file, text, (size_t)length) < 0) {}
    close(file);
  }
}

static void fail(const char *stage) {
  failed_errno = errno;
  failed_stage = stage;
  _exit(126);
}

// Whether a folder of the search path has a file of that name. execvp cannot tell one that may not be executed from a folder
// that may not be looked into: both are EACCES.
static int is_on_search_path(const char *name) {
  const char *path = getenv("PATH");
  char file[PATH_MAX];
  struct stat found;
  for (const char *folder = path ? path : "/bin:/usr/bin", *end; ; folder = end + 1) {
    end = strchrnul(folder, ':');
    int length = snprintf(file, sizeof file, "%.*s%s%s", (int)(end - folder), folder, end > folder ? "/" : "", name);
    if (length < (int)sizeof file && stat(file, &found) == 0 && S_ISREG(found.st_mode)) return 1;
    if (!*end) return 0;
  }
}

static int is_not_found(const char *name, int error) {
  if (error == ENOENT) return 1;
  // A folder of the search path that is none, or that is closed to the user, is no finding.
  return !strchr(name, '/') && (error == ENOTDIR || (error == EACCES && !is_on_search_path(name)));
}

// Runs between vfork and exec: system calls only.
static void become_program(const struct options *o, char **argv) {
  close_on_exec_from(3U + (unsigned)o->kept);
  setsid();
  if (o->terminal) {
    if (o->uid >= 0 && fchown(0, (uid_t)o->uid, (gid_t)-1) < 0) {}
    ioctl(0, TIOCSCTTY, 0);
  }
  umask(022);
  apply_limits(o);
  if (o->has_groups && setgroups(o->group_count, o->groups) < 0) fail("groups");
  if (o->gid >= 0 && setresgid((gid_t)o->gid, (gid_t)o->gid, (gid_t)o->gid) < 0) fail("gid");
  if (o->uid >= 0 && setresuid((uid_t)o->uid, (uid_t)o->uid, (uid_t)o->uid) < 0) fail("uid");
  if (o->dir && chdir(o->dir) < 0) fail("dir");
  clean_signals();
  execvp(argv[0], argv);
  int error = errno, not_found = is_not_found(argv[0], error);
  char line[512];
  int length = snprintf(line, sizeof line, "%.400s: %s\n", argv[0], not_found ? "not found" : strerror(error));
  if (write(2, line, (size_t)length) < 0) {}
  _exit(not_found ? 127 : 126);
}

// Our own command line and environment repeat the program's: `pkill -f` of a program must not find us.
static void blank(char **strings) {
  for (; *strings; strings++) memset(*strings, 0, strlen(*strings));
}

static long long microseconds(struct timeval t) { return t.tv_sec * 1000000LL + t.tv_usec; }

static volatile sig_atomic_t is_orphaned;

static void on_orphaned(int signal_number) { is_orphaned = signal_number; }

// SIGUSR1 when the daemon dies. It interrupts wait4; should the daemon be gone already, nobody would send it.
static void watch_daemon(pid_t daemon) {
  struct sigaction action = {.sa_handler = on_orphaned};
  sigaction(SIGUSR1, &action, NULL);
  prctl(PR_SET_PDEATHSIG, SIGUSR1);
  if (getppid() != daemon) is_orphaned = 1;
}

// The kernel's line editing erases whole characters then.
static void use_utf8(void) {
  struct termios t;
  if (tcgetattr(0, &t) < 0) return;
  t.c_iflag |= IUTF8 | IMAXBEL;
  tcsetattr(0, TCSANOW, &t);
}

static void wait_for_all(pid_t program, int report) {
  for (;;) {
    int status;
    struct rusage r;
    if (is_orphaned) kill(-program, SIGKILL);
    pid_t done = wait4(-1, &status, 0, &r);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) break; // nobody left
    if (done == program)
      say(report, "end %d %lld %lld %ld %ld %ld %ld %ld %ld %ld\n", status, microseconds(r.ru_utime), microseconds(r.ru_stime), r.ru_maxrss,
          r.ru_minflt, r.ru_majflt, r.ru_inblock, r.ru_oublock, r.ru_nvcsw, r.ru_nivcsw);
  }
  say(report, "gone\n");
}

int main(int argc, char **argv) {
  static struct options o;
  if (read_options(&o, argc, argv) < 0) {
    fprintf(stderr, "usage: guestd-shim [-u uid -g gid -G gid,...] [-d dir] [-n nofile] [-o oom] [-p nice] [-k kept] [-t] [-x] -- program args...\n");
    return 2;
  }
  pid_t daemon = getppid();
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  for (int s = 1; s < NSIG; s++)
    if (s != SIGKILL && s != SIGSTOP && s != SIGCHLD) signal(s, SIG_IGN);
  if (o.terminal) use_utf8();
  pid_t program = vfork();
  if (program == 0) become_program(&o, argv + optind);
  if (program < 0) {
    failed_errno = errno;
    failed_stage = "fork";
  }
  fcntl(o.report, F_SETFD, FD_CLOEXEC);
  for (int fd = 0; fd < 3 + (int)o.kept; fd++)
    if (fd != o.report) close(fd); // we must not hold the program's pipes open
  if (failed_stage) {
    say(o.report, "fail %s %d\n", (const char *)failed_stage, failed_errno);
    return 1;
  }
  say(o.report, "pid %d\n", program);
  blank(argv + 1);
  blank(environ);
  if (o.dies_with_daemon) watch_daemon(daemon);
  wait_for_all(program, o.report);
  return 0;
}
