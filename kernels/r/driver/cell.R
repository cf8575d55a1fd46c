# Runs the code of a cell: one expression after the other, as R's prompt would.

# `run` returns NULL, or what the client is told of why the cell ended early.
new_cells <- function(channel, plots, warnings) {
  # Functions of the user are compiled when they are called again, the kernel's, which would take longer, are not.
  jit_level <- 3L
  parse_cell <- function(code, count) {
    code <- gsub("\r\n", "\n", code, fixed = TRUE)
    lines <- strsplit(code, "\n", fixed = TRUE)[[1L]]
    place <- srcfilecopy(sprintf("cell-%d.R", count), if (length(lines)) lines else "")
    parse(text = code, keep.source = TRUE, srcfile = place)
  }
  evaluate <- function(expression) {
    compiler::enableJIT(jit_level)
    on.exit(jit_level <<- compiler::enableJIT(0L))
    outcome <- withVisible(eval(expression, globalenv()))
    notice_interrupt()
    outcome
  }
  show_value <- function(value, is_last) {
    # A user's sink takes what the prompt would print.
    if (sink.number() > 0L) return(print_value(value))
    data <- value_data(value, printed_text(value))
    plots$show(is_end = FALSE)
    channel$result(data, is_main = is_last, is_held = TRUE)
  }
  run_expression <- function(expression, is_last) {
    channel$settle()
    outcome <- evaluate(expression)
    if (outcome$visible) {
      set_base(".Last.value", outcome$value)
      show_value(outcome$value, is_last)
    }
    plots$show(is_end = FALSE)
  }
  attempt <- function(work) {
    calls <- list()
    handled <- function() {
      # Open to interrupts, and only there.
      allowInterrupts(withCallingHandlers(
        work(), warning = warnings$tell, error = function(error) calls <<- sys.calls()
      ))
      NULL
    }
    tryCatch(
      withRestarts(handled(), abort = function() ABORTED),
      error = function(error) describe_error(error, calls),
      interrupt = function(interrupt) INTERRUPTED,
      guestd_exit = function(exit) exit$failure
    )
  }
  run_code <- function(code, count) {
    expressions <- tryCatch(parse_cell(code, count), error = function(error) error)
    if (inherits(expressions, "error")) {
      message <- conditionMessage(expressions)
      return(list(name = "ParseError", value = message, traceback = paste0("Error: ", message)))
    }
    last <- max(0L, which(!vapply(expressions, is_quiet, NA)))
    for (index in seq_along(expressions)) {
      failure <- attempt(function() run_expression(expressions[[index]], is_last = index == last))
      if (!is.null(failure)) return(failure)
    }
    NULL
  }
  list(
    run = function(code, count) {
      warnings$begin_cell()
      # Limits of time are for what the prompt would run next, and not for the kernel.
      on.exit(setTimeLimit())
      # An interrupt that came too late for the cell before is none of this one.
      tryCatch(allowInterrupts(notice_interrupt()), interrupt = function(interrupt) NULL)
      run_code(code, count)
    },
    # What is open at the end of a cell is shown, also when that has failed.
    finish = function() attempt(function() plots$show(is_end = TRUE))
  )
}

# Whether an expression is known to have no visible value: the cell's value is that of the last one that may have.
is_quiet <- function(expression) {
  is.call(expression) && is.name(expression[[1L]]) && as.character(expression[[1L]]) %in% QUIET
}

QUIET <- c("<-", "=", "<<-", "for", "while", "repeat", "invisible", "library", "cat", "message", "print", "plot")

# R looks for interrupts now and then; this is such a moment.
notice_interrupt <- function() Sys.sleep(0)
