#include "watch.h"
#include <asm/poll.h>
#include <linux/time_types.h>
#include "report.h"

enum { WATCH_REPORT = 3 };

static int watched;

// Whether nobody reads our report any more. The daemon's descriptors are closed before its death is told to anybody.
static int is_daemon_gone(void) {
  struct pollfd report = {.fd = WATCH_REPORT};
  struct __kernel_timespec now = {0, 0};
  return sys(ppoll, &report, 1, &now, NULL, SIGNAL_SET_BYTES) > 0 && (report.revents & POLLERR);
}

// Our parent died: the fork server, which its kernels outlive, or after it the shim of that, which only dies with the daemon.
static void parent_died(int signal_number) {
  (void)signal_number;
  if (!is_daemon_gone()) return;
  sys(kill, -watched, SIGKILL);
  sys(kill, watched, SIGKILL); // it may not lead a group yet
}

int watch(long program) {
  watched = (int)program;
  sys(prctl, PR_SET_CHILD_SUBREAPER, 1);
  sys(prctl, PR_SET_PDEATHSIG, SIGUSR1);
  handle_signal(SIGUSR1, parent_died);
  parent_died(SIGUSR1); // it may have died before
  say_started(WATCH_REPORT, program);
  wait_for_all(WATCH_REPORT, watched);
  return 0;
}
