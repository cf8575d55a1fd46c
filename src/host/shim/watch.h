// The shim of a program that somebody else has forked: a fork server, which then became us.
#ifndef GUESTD_WATCH_H
#define GUESTD_WATCH_H

#include "sys.h"

// Looks after our child `program` as after one of our own; reports on descriptor 3.
int watch(long program);

#endif
