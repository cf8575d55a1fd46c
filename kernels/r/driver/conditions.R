# Warnings and errors, in R's own words, without the kernel's own calls.

# What a user's expression is evaluated and printed by: calls up to these are the kernel's.
EVALUATION <- quote(eval(expression, globalenv()))
PRINTING <- quote(print_value(value))
# What R itself adds between an error and its handlers.
SIGNALLING <- c(
  ".handleSimpleError", "h", ".signalSimpleWarning", "withRestarts", "withOneRestart", "doWithOneRestart"
)
MOST_CALLS <- 30L
MOST_CALL_CHARACTERS <- 200L
# A warning and its call that are longer than this, as R counts it, get a line each.
LONGEST_LINE <- 76L

# Tells a warning at once: kept until the prompt comes back, as R does, it would never be told.
new_warning_teller <- function() {
  told <- list()
  is_new <- TRUE
  list(
    # Those of the last cell that had any, as `warnings()` gives them.
    told = function(...) if (length(told) > 0L) structure(told, dots = list(...), class = "warnings"),
    begin_cell = function() is_new <<- TRUE,
    tell = function(warning) {
      level <- getOption("warn")
      if (is.null(level) || is.na(level)) level <- 0L
      if (level >= 2L) return(invisible())
      if (level >= 0L) {
        call <- user_call(warning)
        message <- condition_text(warning)
        cat("Warning message:\n", warning_text(call, message), "\n", sep = "", file = stderr())
        if (is_new) told <<- list()
        is_new <<- FALSE
        told <<- c(told, structure(list(call), names = message))
      }
      invokeRestart("muffleWarning")
    }
  )
}

warning_text <- function(call, message) {
  if (is.null(call)) return(message)
  place <- paste("In", call_text(call), ":")
  paste0(place, if (nchar(place) + nchar(message) > LONGEST_LINE) "\n  " else " ", message)
}

# What a client is told of an error; `calls` were active when it happened.
describe_error <- function(error, calls) {
  value <- condition_text(error)
  call <- user_call(error)
  head <- if (is.null(call)) paste0("Error: ", value) else paste0("Error in ", call_text(call), " : ", value)
  list(name = error_name(error), value = value, traceback = paste(c(head, trace_lines(calls)), collapse = "\n"))
}

INTERRUPTED <- list(name = "KeyboardInterrupt", value = "", traceback = "KeyboardInterrupt")
# The restart `abort` was invoked, which ends what R's prompt would be busy with.
ABORTED <- list(name = "Abort", value = "the cell was aborted", traceback = "Abort")

error_name <- function(error) {
  name <- class(error)[[1L]]
  if (name %in% c("simpleError", "error", "errorCondition", "condition")) "Error" else name
}

# Classes of users may have no message, or a method that fails.
condition_text <- function(condition) {
  tryCatch(paste(conditionMessage(condition), collapse = "\n"), error = function(error) "")
}

# The call that a condition names, unless it is the kernel's.
user_call <- function(condition) {
  call <- tryCatch(conditionCall(condition), error = function(error) NULL)
  if (identical(call, EVALUATION) || identical(call, PRINTING)) NULL else call
}

trace_lines <- function(calls) {
  calls <- user_calls(calls)
  if (length(calls) == 0L) return(character())
  lines <- sprintf("%d. %s%s", seq_along(calls), vapply(calls, call_text, ""), vapply(calls, call_place, ""))
  middle <- length(lines) - MOST_CALLS
  if (middle > 0L) {
    half <- MOST_CALLS %/% 2L
    lines <- c(lines[seq_len(half)], sprintf("... %d more", middle), lines[length(lines) - half + seq_len(half)])
  }
  c("Traceback:", lines)
}

# The calls between the kernel's own at both ends.
user_calls <- function(calls) {
  is_own <- vapply(calls, function(call) identical(call, EVALUATION) || identical(call, PRINTING), NA)
  first <- match(TRUE, is_own)
  if (is.na(first)) return(list())
  # An evaluation is two calls.
  while (first < length(calls) && is_own[[first + 1L]]) first <- first + 1L
  last <- length(calls)
  while (last > first && is_signalling(calls[[last]])) last <- last - 1L
  calls[seq_len(last - first) + first]
}

is_signalling <- function(call) {
  name <- call[[1L]]
  is.function(name) || (is.call(name) && identical(name[[1L]], quote(`function`))) ||
    (is.name(name) && as.character(name) %in% SIGNALLING)
}

call_text <- function(call) {
  lines <- deparse(call, MOST_CALL_CHARACTERS, nlines = 2L)
  text <- substr(lines[[1L]], 1L, MOST_CALL_CHARACTERS)
  if (length(lines) > 1L || nchar(lines[[1L]]) > MOST_CALL_CHARACTERS) paste(text, "...") else text
}

# Where in which cell or file a call is written, if that is known.
call_place <- function(call) {
  place <- attr(call, "srcref")
  if (is.null(place)) return("")
  sprintf(" at %s:%d:%d", attr(place, "srcfile")$filename, place[[1L]], place[[5L]])
}
