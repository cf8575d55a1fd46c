// What the shim tells the daemon of its program, one line each; shim.c says what the lines mean.
#ifndef GUESTD_REPORT_H
#define GUESTD_REPORT_H

#include "sys.h"

void say_failed(int report, const char *stage, int error);

void say_started(int report, long program);

// Reaps and reports until nothing is left of what the program has started.
void wait_for_all(int report, int program);

#endif
