# The way out to guestd: events, and the markers that keep them in order with what was printed.

# `send` sends one event behind everything printed so far: its name, and its members as JSON.
new_channel <- function(own) {
  process <- Sys.getpid()
  nonce <- ""
  barrier <- 0L
  id <- NULL

  put <- function(connection, bytes) {
    writeBin(bytes, connection)
    flush(connection)
  }
  write_event <- function(event, members) {
    flush(stdout())
    barrier <<- barrier + 1L
    marker <- c(as.raw(0L), charToRaw(sprintf("\033]K;%s;%d\a", nonce, barrier)))
    put(own$stdout, marker)
    put(own$stderr, marker)
    names <- c("ev", "b", names(members))
    line <- json_object(names, c(json_string(event), json_number(barrier), unlist(members)))
    put(own$events, charToRaw(paste0(line, "\n")))
  }
  # Whole or not at all, also when an interrupt comes; a forked child has no part in it.
  send <- function(event, ...) {
    if (Sys.getpid() == process) suspendInterrupts(write_event(event, list(...)))
    invisible()
  }
  list(
    send = send,
    identify = function(text) nonce <<- text,
    begin_cell = function(cell, count) {
      id <<- json_string(cell)
      send("start", id = id, count = json_number(count))
    },
    end_cell = function(status) {
      send("end", id = id, status = json_string(status))
      id <<- NULL
    },
    # A result between cells has nowhere to go. `data`: MIME type → JSON.
    result = function(data, is_main = FALSE) {
      if (is.null(id) || length(data) == 0L) return(invisible())
      main <- if (is_main) "true" else "false"
      send("result", id = id, main = main, data = json_object(names(data), unlist(data)))
    },
    error = function(failure) {
      send(
        "error", id = id, name = json_string(failure$name), value = json_string(failure$value),
        traceback = json_string(failure$traceback)
      )
    },
    is_own_process = function() Sys.getpid() == process
  )
}
