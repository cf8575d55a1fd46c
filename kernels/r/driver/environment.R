# The process's variables and working directory, as guestd sets them.

# Variables from `NAME=VALUE NUL` each: name → value, NA for one that is taken away.
unpack_variables <- function(packed) {
  ends <- which(packed == 0L)
  starts <- c(1L, ends + 1L)[seq_along(ends)]
  names <- values <- character(length(ends))
  for (index in seq_along(ends)) {
    entry <- packed[seq_len(ends[[index]] - starts[[index]]) + starts[[index]] - 1L]
    equals <- match(as.raw(61L), entry)
    names[[index]] <- rawToChar(if (is.na(equals)) entry else entry[seq_len(equals - 1L)])
    values[[index]] <- if (is.na(equals)) NA else rawToChar(entry[-seq_len(equals)])
  }
  structure(values, names = names)
}

# Sets and removes variables. Returns how to put them back.
change_variables <- function(variables) {
  if (length(variables) == 0L) return(variables)
  previous <- Sys.getenv(names(variables), unset = NA, names = TRUE)
  is_removed <- is.na(variables)
  Sys.unsetenv(names(variables)[is_removed])
  if (!all(is_removed)) do.call(Sys.setenv, as.list(variables[!is_removed]))
  previous
}

# Changes the working directory. Returns why it cannot be entered.
enter_folder <- function(folder) {
  tryCatch({
    setwd(folder)
    NULL
  }, error = function(error) paste0(folder, ": ", conditionMessage(error)))
}
