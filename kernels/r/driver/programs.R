# Programs that a cell waits for. R ignores interrupts meanwhile: one would end the program, and the cell would go on as if nothing
# had been.

# `system` or `system2`, whose wait for a program notices interrupts. What they do otherwise stays as it is.
open_to_interrupts <- function(original) {
  is_other <- quote(intern || !wait || timeout != 0)
  wait_for <- wait_at_pipe
  if ("receive.console.signals" %in% names(formals(original))) {
    is_other <- bquote(.(is_other) || !receive.console.signals)
    wait_for <- wait_for_watcher
  }
  replace_call <- function(part) {
    if (!is.call(part)) return(part)
    if (identical(part[[1L]], quote(.Internal))) {
      return(bquote(if (.(is_other)) .(part) else .(wait_for)(command)))
    }
    as.call(lapply(as.list(part), replace_call))
  }
  changed <- original
  body(changed) <- replace_call(body(original))
  changed
}

# Runs a shell command to its end. Returns its status as `system` does: an exit code, or the number of a signal.
# An interrupt that comes while R waits for the end of a pipe to the program is noticed afterwards.
wait_at_pipe <- function(command) {
  status <- suspendInterrupts(close(pipe(command, "w")))
  status <- if (is.null(status)) 0L else if (status > 255L) status %/% 256L else status
  notice_interrupt()
  program_status(status)
}

# The same for an R (from 4.3 on) that gives pipes a process group of their own, which interrupts do not reach: a shell notes them.
wait_for_watcher <- function(command) {
  Sys.setenv(GUESTD_COMMAND = command)
  on.exit(Sys.unsetenv("GUESTD_COMMAND"))
  status <- suppressWarnings(.Internal(system(WATCHER, FALSE, 0, TRUE)))
  if (status == WATCHER_INTERRUPTED) signalCondition(structure(list(), class = c("interrupt", "condition")))
  program_status(status)
}

WATCHER <- paste(
  "set -- \"$GUESTD_COMMAND\"; unset GUESTD_COMMAND; trap 'set -- \"\" 130' INT;", "sh -c \"$1\"; exit \"${2:-$?}\""
)
WATCHER_INTERRUPTED <- 130L

program_status <- function(status) {
  if (status == 127L) warning("error in running command", call. = FALSE)
  invisible(status)
}
