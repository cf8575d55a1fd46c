# The kernel's descriptors. R has no word for them: what is opened takes the lowest free number, and is closed on exec where the mode
# says "e" to the C library; what closes by number is in the library of `parallel`, a part of every R.

DESCRIPTORS <- "/proc/self/fd"

# Takes over 3 and 4 and makes private copies of 1 and 2, all closed on exec. Returns connections.
claim_descriptors <- function(script) {
  own <- list(
    requests = open_descriptor(3L, "reb"), events = open_descriptor(4L, "web"),
    stdout = open_descriptor(1L, "web"), stderr = open_descriptor(2L, "web")
  )
  own$script <- hide_script(script)
  close_descriptors(3:4)
  own
}

open_descriptor <- function(number, mode) file(file.path(DESCRIPTORS, number), mode, raw = TRUE)

close_descriptors <- function(numbers) .Call(parallel_routine("mc_close_fds"), as.integer(numbers))

# Ends a forked child without anything that R does when it ends.
leave_forked_child <- function() .Call(parallel_routine("mc_exit"), 0L)

# Without the package's namespace, which would take longer. Users may load and unload that.
parallel_routine <- function(name) {
  library <- getLoadedDLLs()[["parallel"]]
  if (is.null(library)) {
    folder <- file.path(.Library, "parallel", "libs", .Platform$r_arch)
    library <- dyn.load(file.path(folder, paste0("parallel", .Platform$dynlib.ext)))
  }
  getNativeSymbolInfo(name, library)
}

# R goes on reading the driver's first file, on a descriptor that children would inherit: at the same number it gets /dev/null.
hide_script <- function(script) {
  numbers <- list.files(DESCRIPTORS)
  targets <- Sys.readlink(file.path(DESCRIPTORS, numbers))
  number <- numbers[targets %in% normalizePath(script)]
  if (!identical(number, "5")) return(NULL)
  close_descriptors(5L)
  file("/dev/null", "reb", raw = TRUE)
}

# `heal` gives 1 and 2 new descriptions where a child has left them non-blocking, and R would lose what it prints, or where they
# were closed.
new_output <- function() {
  copies <- vapply(1:2, copy_of, "")
  reopened <- list()
  reopen <- function(number) {
    name <- as.character(number)
    # All lower numbers are in use, so the next that is opened gets this one.
    if (is.null(reopened[[name]])) close_descriptors(number) else close(reopened[[name]])
    reopened[[name]] <<- file(file.path(DESCRIPTORS, copies[[number]]), "wb", raw = TRUE)
  }
  list(
    heal = function() for (number in 1:2) if (!is_blocking(number)) reopen(number),
    connections = function() reopened
  )
}

# Number of our copy of a descriptor.
copy_of <- function(number) {
  numbers <- setdiff(list.files(DESCRIPTORS), number)
  targets <- Sys.readlink(file.path(DESCRIPTORS, numbers))
  numbers[which(targets == Sys.readlink(file.path(DESCRIPTORS, number)))[1L]]
}

# O_NONBLOCK is 04000, and the flags are told as an octal number.
is_blocking <- function(number) {
  info <- file.path("/proc/self/fdinfo", number)
  if (!file.exists(info)) return(FALSE)
  flags <- readLines(info, 2L)[2L]
  substr(flags, nchar(flags) - 3L, nchar(flags) - 3L) < "4"
}
