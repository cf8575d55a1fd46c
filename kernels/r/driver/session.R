# What R's own functions do differently in a kernel, and what it offers besides.

# Binds a name in base, also where R locks it.
set_base <- function(name, value) {
  base <- baseenv()
  is_locked <- exists(name, base, inherits = FALSE) && bindingIsLocked(name, base)
  if (is_locked) unlockBinding(name, base)
  assign(name, value, base)
  if (is_locked) lockBinding(name, base)
}

# R's way to end itself.
end_process <- base::quit

# Takes over what would end, block or disturb the kernel.
install_session <- function(plots, warnings, own_connections) {
  set_base("quit", leave_cell)
  set_base("q", leave_cell)
  set_base("readline", refuse_input)
  set_base("warnings", warnings$told)
  # `closeAllConnections` and `showConnections` go by this.
  all_connections <- getAllConnections
  set_base("getAllConnections", function() setdiff(all_connections(), own_connections()))
  for (name in c("system", "system2")) set_base(name, open_to_interrupts(get(name, baseenv())))
  options(
    device = plots$open_device, device.ask.default = FALSE, menu.graphics = FALSE,
    pager = show_files, editor = refuse_editing, browser = function(url) cat(url, "\n", sep = ""),
    crayon.enabled = FALSE, cli.num_colors = 1L
  )
}

# quit(): the cell ends, the kernel and its state stay.
leave_cell <- function(save = "default", status = 0, runLast = TRUE) {
  value <- as.character(status)
  failure <- list(name = "SystemExit", value = value, traceback = paste0("SystemExit: ", value))
  signalCondition(structure(list(message = "quit", call = NULL, failure = failure), class = c("guestd_exit", "condition")))
}

refuse_input <- function(prompt = "") stop("a cell has no input: readline() cannot ask", call. = FALSE)

refuse_editing <- function(...) stop("a cell has no terminal: there is no editor", call. = FALSE)

show_files <- function(files, header, title, delete.file) {
  for (file in files) writeLines(gsub("_\b", "", readLines(file, warn = FALSE), fixed = TRUE))
  if (isTRUE(delete.file)) unlink(files)
}
