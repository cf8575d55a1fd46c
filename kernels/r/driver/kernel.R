# Answers guestd's requests: one at a time, with interrupts held off except in cells.

serve <- function(script) {
  # They are for R's start and not for the programs that cells run.
  Sys.unsetenv(c("R_ENABLE_JIT", "LC_CTYPE"))
  use_utf8()
  own <- claim_descriptors(script)
  output <- new_output()
  channel <- new_channel(own)
  plots <- new_plots(channel)
  warnings <- new_warning_teller()
  install_session(plots, warnings, function() vapply(c(own, output$connections()), as.integer, 0L))
  install_display(channel)
  install_user_library()
  sweep_temporary_folders()
  warm_up()
  suspendInterrupts(answer_requests(own$requests, channel, new_cells(channel, plots, warnings), output$heal))
  end_process("no")
}

# What R loads when it is used first is loaded before a cell waits for it.
warm_up <- function() {
  compiler::enableJIT(0L)
  value_data(0, printed_text(0))
  parse(text = "0", keep.source = TRUE, srcfile = srcfilecopy("", "0"))
}

answer_requests <- function(requests, channel, cells, heal_output) {
  count <- 1L
  while (!is.null(request <- read_request(requests))) {
    switch(request$op,
      hello = greet(channel, request),
      adopt = adopt(channel, request),
      reseed = reseed(request),
      execute = {
        heal_output()
        code <- request_text(request$text)
        execute(channel, cells, request, code, count)
        if (grepl("[^[:space:]]", code)) count <- count + 1L
      }
    )
  }
}

greet <- function(channel, request) {
  channel$identify(request_text(request$text))
  version <- json_string(as.character(getRversion()))
  channel$send("ready", pid = json_number(Sys.getpid()), engine = json_string("r"), version = version)
}

adopt <- function(channel, request) {
  change_variables(unpack_variables(request$variables))
  folder <- request_text(request$text)
  error <- if (nzchar(folder)) enter_folder(folder)
  members <- c(list("adopted", id = json_string(request$id)), if (!is.null(error)) list(error = json_string(error)))
  do.call(channel$send, members)
}

# The machine may be a copy of another one: R's own seed has time and process in it, and `entropy` comes on top.
reseed <- function(request) {
  entropy <- strtoi(substr(request_text(request$text), 1L, 7L), 16L)
  set.seed(NULL)
  set.seed(bitwXor(entropy, sample.int(.Machine$integer.max, 1L)))
}

execute <- function(channel, cells, request, code, count) {
  previous <- change_variables(unpack_variables(request$variables))
  channel$begin_cell(request$id, count)
  failure <- cells$run(code, count)
  # A child that the user's code has forked came back from the cell as if it were the kernel.
  if (!channel$is_own_process()) leave_forked_child()
  if (!is.null(failure)) channel$error(failure)
  late <- cells$finish()
  if (is.null(failure) && !is.null(late)) channel$error(failure <- late)
  change_variables(previous)
  channel$end_cell(if (is.null(failure)) "ok" else if (identical(failure, INTERRUPTED)) "interrupted" else "error")
}

# Cells are UTF-8, whatever the variables said.
use_utf8 <- function() if (!l10n_info()[["UTF-8"]]) Sys.setlocale("LC_CTYPE", "C.UTF-8")
