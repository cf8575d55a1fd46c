#include "report.h"

static void add_field(struct text *line, long number) {
  add(line, " ");
  add_number(line, number);
}

static void say(int report, struct text *line) {
  add(line, "\n");
  write_text(report, line);
}

void say_failed(int report, const char *stage, int error) {
  struct text line;
  start(&line, "fail ");
  add(&line, stage);
  add_field(&line, error);
  say(report, &line);
}

void say_started(int report, long program) {
  struct text line;
  start(&line, "pid");
  add_field(&line, program);
  say(report, &line);
}

static void say_ended(int report, int status, const struct rusage *r) {
  const long user_us = r->ru_utime.tv_sec * 1000000L + r->ru_utime.tv_usec, system_us = r->ru_stime.tv_sec * 1000000L + r->ru_stime.tv_usec;
  const long numbers[] = {status,       user_us,       system_us,     r->ru_maxrss, r->ru_minflt,
                          r->ru_majflt, r->ru_inblock, r->ru_oublock, r->ru_nvcsw,  r->ru_nivcsw};
  struct text line;
  start(&line, "end");
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) add_field(&line, numbers[i]);
  say(report, &line);
}

void wait_for_all(int report, int program) {
  struct text line;
  struct rusage used;
  int status;
  for (;;) {
    long done = sys(wait4, -1, &status, 0, &used);
    if (done == program) say_ended(report, status, &used);
    if (done < 0 && done != -EINTR) break; // nobody left
  }
  start(&line, "gone");
  say(report, &line);
}
