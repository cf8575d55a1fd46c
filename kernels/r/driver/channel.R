# The way out to guestd: events, and the markers that keep them in order with what was printed.

# `send` sends one event behind everything printed so far: its name, and its members as JSON.
new_channel <- function(own) {
  process <- Sys.getpid()
  nonce <- ""
  barrier <- 0L
  id <- NULL
  # What is held back to go out with the next event: each write wakes guestd up.
  marks <- raw()
  lines <- character()

  put <- function(connection, bytes) {
    writeBin(bytes, connection)
    flush(connection)
  }
  hold <- function(event, members) {
    flush(stdout())
    barrier <<- barrier + 1L
    number <- sprintf("%d", barrier)
    marks <<- c(marks, as.raw(0L), charToRaw(paste0("\033]K;", nonce, ";", number, "\a")))
    line <- json_object(c("ev", "b", names(members)), c(paste0("\"", event, "\""), number, unlist(members)))
    lines <<- c(lines, line)
  }
  release <- function() {
    put(own$stdout, marks)
    put(own$stderr, marks)
    # What user code may have left of a line in this pipe ends here.
    put(own$events, charToRaw(paste0("\n", paste0(lines, "\n", collapse = ""))))
    marks <<- raw()
    lines <<- character()
  }
  # Whole or not at all, also when an interrupt comes; a forked child has no part in it.
  send <- function(event, ..., is_held = FALSE) {
    if (Sys.getpid() == process) {
      suspendInterrupts({
        hold(event, list(...))
        if (!is_held) release()
      })
    }
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
    # A result between cells has nowhere to go. `data`: MIME type → JSON. One that is held waits for the next event or `settle`.
    result = function(data, is_main = FALSE, is_held = FALSE) {
      if (is.null(id) || length(data) == 0L) return(invisible())
      main <- if (is_main) "true" else "false"
      send("result", id = id, main = main, data = json_object(names(data), unlist(data)), is_held = is_held)
    },
    settle = function() if (length(lines) > 0L) suspendInterrupts(release()),
    error = function(failure) {
      send(
        "error", id = id, name = json_string(failure$name), value = json_string(failure$value),
        traceback = json_string(failure$traceback)
      )
    },
    is_own_process = function() Sys.getpid() == process
  )
}
