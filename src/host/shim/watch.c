#include "watch.h"
#include <asm/poll.h>
#include <linux/time_types.h>
#include "report.h"

enum { WATCH_REPORT = 3 };

static int watched;

// Whether nobody reads our report any more: only the daemon did.
static int is_daemon_gone(void) {
  struct pollfd report = {.fd = WATCH_REPORT};
  struct __kernel_timespec now = {0, 0};
  return sys(ppoll, &report, 1, &now, NULL, SIGNAL_SET_BYTES) > 0 && (report.revents & POLLERR);
}

static void report_changed(int signal_number) {
  (void)signal_number;
  if (!is_daemon_gone()) return;
  sys(kill, -watched, SIGKILL);
  sys(kill, watched, SIGKILL); // it may not lead a group yet
}

// SIGIO when the report loses its reader. A parent's death says nothing: the fork server's is none of the kernel's business, and a
// daemon of many threads is told dead by one of them while others still hold its descriptors.
static void watch_report(void) {
  long self = sys(getpid);
  handle_signal(SIGIO, report_changed);
  sys(fcntl, WATCH_REPORT, F_SETOWN, self);
  sys(fcntl, WATCH_REPORT, F_SETFL, O_WRONLY | FASYNC);
  report_changed(SIGIO); // it may have lost it before
}

int watch(long program) {
  watched = (int)program;
  sys(prctl, PR_SET_CHILD_SUBREAPER, 1);
  watch_report();
  say_started(WATCH_REPORT, program);
  wait_for_all(WATCH_REPORT, watched);
  return 0;
}
