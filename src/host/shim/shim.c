// guestd-shim: one tiny process between the daemon and each program, as conmon and containerd-shim are for containers.
//
// It gives the program its user, groups, limits, session and terminal, reports what became of it, and as sub-reaper adopts
// everything the program leaves behind: a run's process tree is always its shim's descendants, also after setsid and double forks.
//
//   guestd-shim -w PID             look after a child that was there before us; report on 3, keep nothing else open
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
//   pid N            the program is executed next (when it cannot be, it ends with 126 or 127 and says so on its standard error)
//   fail STAGE ERRNO the program was not started; STAGE is fork, groups, gid, uid or dir. Nothing follows.
//   end STATUS USER_US SYSTEM_US MAXRSS_KIB MINFLT MAJFLT INBLOCK OUBLOCK NVCSW NIVCSW    the program's wait4(2)
//   gone             nothing it started is left
#include "report.h"
#include "sys.h"
#include "watch.h"

enum { MAX_GROUPS = 1024, IOPRIO_BEST_EFFORT_4 = (2 << 13) | 4, CLOSE_RANGE_ON_EXEC = 4 };

static const char usage[] =
    "usage: guestd-shim [-u uid -g gid -G gid,...] [-d dir] [-n nofile] [-o oom] [-p nice] [-k kept] [-t] [-x] -- program args...\n";

struct options {
  long uid, gid, nofile, oom_score_adj, niceness, kept, watched;
  int terminal, dies_with_daemon, report, has_groups, has_oom, has_niceness;
  const char *dir;
  size_t group_count;
  __kernel_gid32_t groups[MAX_GROUPS];
};

struct program {
  const struct options *options;
  char **argv;
  char **environment;
  // Set by the child, which shares our memory until it executes the program.
  const char *failed_stage;
  int failed_errno;
};

static void read_groups(struct options *o, const char *list) {
  o->has_groups = 1;
  while (*list && o->group_count < MAX_GROUPS) {
    if (*list != ',') o->groups[o->group_count++] = (__kernel_gid32_t)read_number(list, &list);
    while (*list && *list != ',') list++;
    if (*list) list++;
  }
}

// Takes one option and returns how many arguments it used, or 0.
static int read_option(struct options *o, char option, const char *value) {
  switch (option) {
    case 't': o->terminal = 1; return 1;
    case 'x': o->dies_with_daemon = 1; return 1;
  }
  if (!value) return 0;
  switch (option) {
    case 'u': o->uid = read_number(value, NULL); return 2;
    case 'g': o->gid = read_number(value, NULL); return 2;
    case 'G': read_groups(o, value); return 2;
    case 'd': o->dir = value; return 2;
    case 'n': o->nofile = read_number(value, NULL); return 2;
    case 'o': o->oom_score_adj = read_number(value, NULL); o->has_oom = 1; return 2;
    case 'p': o->niceness = read_number(value, NULL); o->has_niceness = 1; return 2;
    case 'w': o->watched = read_number(value, NULL); return 2;
    case 'k': o->kept = read_number(value, NULL); return 2;
  }
  return 0;
}

// Returns the program's arguments, or NULL.
static char **read_options(struct options *o, char **argv) {
  o->uid = o->gid = -1;
  while (*argv && argv[0][0] == '-' && argv[0][1]) {
    char *word = *argv;
    if (word[1] == '-' && !word[2]) {
      argv++;
      break;
    }
    int used = !word[2] ? read_option(o, word[1], argv[1]) : 0;
    if (used == 0) return NULL;
    argv += used;
  }
  o->report = 3 + (int)o->kept;
  return *argv ? argv : NULL;
}

// The program gets its descriptors and nothing that leaked in. Kernels older than 5.11 have no close_range with this flag.
static void close_on_exec_from(unsigned first) {
  struct rlimit64 open_files;
  if (sys(close_range, first, ~0U, CLOSE_RANGE_ON_EXEC) == 0) return;
  if (sys(prlimit64, 0, RLIMIT_NOFILE, NULL, &open_files) < 0) return;
  for (unsigned fd = first; fd < open_files.rlim_cur; fd++) sys(fcntl, fd, F_SETFD, FD_CLOEXEC);
}

static void close_from(unsigned first) {
  struct rlimit64 open_files;
  if (sys(close_range, first, ~0U, 0) == 0) return;
  if (sys(prlimit64, 0, RLIMIT_NOFILE, NULL, &open_files) < 0) return;
  for (unsigned fd = first; fd < open_files.rlim_cur; fd++) sys(close, fd);
}

static void set_signal(int number, __sighandler_t handler) {
  struct sigaction action = {.sa_handler = handler};
  sys(rt_sigaction, number, &action, NULL, SIGNAL_SET_BYTES);
}

static void block_signals(unsigned long long which) { sys(rt_sigprocmask, SIG_SETMASK, &which, NULL, SIGNAL_SET_BYTES); }

// All of them: the daemon's C library keeps 32 and 33 for itself, and its posix_spawn leaves them ignored.
static void clean_signals(void) {
  set_signal(SIGPIPE, SIG_IGN); // forgets the one that a report to a dead daemon left waiting
  for (int s = 1; s <= LAST_SIGNAL; s++) set_signal(s, SIG_DFL);
  block_signals(0);
}

static void ignore_signals(void) {
  for (int s = 1; s <= LAST_SIGNAL; s++)
    if (s != SIGCHLD) set_signal(s, SIG_IGN);
  block_signals(0);
}

static void apply_limits(const struct options *o) {
  struct rlimit64 limit;
  if (o->nofile && sys(prlimit64, 0, RLIMIT_NOFILE, NULL, &limit) == 0) {
    limit.rlim_cur = (unsigned long)o->nofile < limit.rlim_max ? (unsigned long)o->nofile : limit.rlim_max;
    sys(prlimit64, 0, RLIMIT_NOFILE, &limit, NULL);
  }
  // Best effort, all three: without privileges they may only get worse for the program, never better.
  if (o->has_niceness) sys(setpriority, PRIO_PROCESS, 0, o->niceness), sys(ioprio_set, 1, 0, IOPRIO_BEST_EFFORT_4);
  int file = o->has_oom ? (int)sys(openat, AT_FDCWD, "/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC) : -1;
  if (file >= 0) {
    struct text score;
    start(&score, "");
    add_number(&score, o->oom_score_adj);
    write_text(file, &score);
    sys(close, file);
  }
}

// Gives the program up if a call that prepared it failed.
static void require(struct program *p, const char *stage, long result) {
  if (result >= 0) return;
  p->failed_stage = stage;
  p->failed_errno = (int)-result;
  leave(126);
}

// execve cannot tell a file that may not be executed from a folder that may not be looked into: both are EACCES.
static int is_not_found(const struct program *p, int error) {
  const char *name = p->argv[0];
  if (error == ENOENT) return 1;
  // A folder of the search path that is none, or that is closed to the user, is no finding.
  return !has_slash(name) && (error == ENOTDIR || (error == EACCES && !is_on_search_path(name, p->environment)));
}

static void explain(const char *name, int error, int not_found) {
  struct text line;
  const char *why = not_found ? "not found" : error_text(error);
  start(&line, "");
  add_some(&line, name, 400);
  add(&line, ": ");
  add(&line, why ? why : "error ");
  if (!why) add_number(&line, error);
  add(&line, "\n");
  write_text(2, &line);
}

// Between vfork and exec: whatever it writes to is our memory too.
static void become_program(void *program) {
  struct program *p = program;
  const struct options *o = p->options;
  close_on_exec_from(3U + (unsigned)o->kept);
  sys(setsid);
  if (o->terminal) {
    if (o->uid >= 0) sys(fchown, 0, o->uid, -1);
    sys(ioctl, 0, TIOCSCTTY, 0);
  }
  sys(umask, 022);
  apply_limits(o);
  if (o->has_groups) require(p, "groups", sys(setgroups, o->group_count, o->groups));
  if (o->gid >= 0) require(p, "gid", sys(setresgid, o->gid, o->gid, o->gid));
  if (o->uid >= 0) require(p, "uid", sys(setresuid, o->uid, o->uid, o->uid));
  if (o->dir) require(p, "dir", sys(chdir, o->dir));
  // Nothing after this is a failed start. A signal that the daemon sends from now on waits until the program can take it.
  say_started(o->report, sys(getpid));
  clean_signals();
  int error = execute(p->argv[0], p->argv, p->environment), not_found = is_not_found(p, error);
  explain(p->argv[0], error, not_found);
  leave(not_found ? 127 : 126);
}

// Our own command line and environment repeat the program's: `pkill -f` of a program must not find us.
static void blank(char **strings) {
  for (; *strings; strings++)
    for (char *c = *strings; *c; c++) *c = 0;
}

static int program_pid;

static void end_program(int signal_number) {
  (void)signal_number;
  sys(kill, -program_pid, SIGKILL);
  leave(0); // a fork server's kernels have shims of their own, which learn it from their reports
}

// SIGUSR1 when the daemon dies; should it be gone already, nobody would send it.
static void watch_daemon(int daemon) {
  handle_signal(SIGUSR1, end_program);
  sys(prctl, PR_SET_PDEATHSIG, SIGUSR1);
  if (sys(getppid) != daemon) end_program(SIGUSR1);
}

// The kernel's line editing erases whole characters then.
static void use_utf8(void) {
  struct termios t;
  if (sys(ioctl, 0, TCGETS, &t) < 0) return;
  t.c_iflag |= IUTF8 | IMAXBEL;
  sys(ioctl, 0, TCSETS, &t);
}

// We must not hold the program's pipes open.
static void close_all_but(int report) {
  sys(fcntl, report, F_SETFD, FD_CLOEXEC);
  for (int fd = 0; fd < report; fd++) sys(close, fd);
}

int main(int argc, char **argv, char **environment) {
  static struct options o;
  struct program p = {.options = &o, .argv = read_options(&o, argv + (argc > 0)), .environment = environment};
  if (!p.argv && o.watched > 0) {
    close_all_but(o.report);
    close_from((unsigned)o.report + 1);
    ignore_signals();
    blank(argv + 1);
    return watch(o.watched);
  }
  if (!p.argv) {
    sys(write, 2, usage, sizeof usage - 1);
    return 2;
  }
  long daemon = sys(getppid);
  sys(prctl, PR_SET_CHILD_SUBREAPER, 1);
  block_signals(~0ULL); // until the program and we treat them each our own way
  if (o.terminal) use_utf8();
  program_pid = run_until_exec(become_program, &p);
  close_all_but(o.report);
  if (program_pid < 0 || p.failed_stage) {
    if (program_pid < 0) say_failed(o.report, "fork", -program_pid);
    else say_failed(o.report, p.failed_stage, p.failed_errno);
    if (program_pid > 0) sys(wait4, program_pid, NULL, 0, NULL);
    return 1;
  }
  ignore_signals();
  if (argc > 1) blank(argv + 1);
  blank(environment);
  if (o.dies_with_daemon) watch_daemon((int)daemon);
  wait_for_all(o.report, program_pid);
  return 0;
}
