# Where packages go that a cell installs: as at R's prompt, into a folder of the user's own where the system's is not theirs to change.
# R asks before it makes one, and a cell cannot answer.

install_user_library <- function() {
  utils <- asNamespace("utils")
  changed <- utils$install.packages
  body(changed) <- bquote({
    .(use_user_library)()
    .(body(changed))
  })
  for (place in list(utils, as.environment("package:utils"))) {
    unlockBinding("install.packages", place)
    assign("install.packages", changed, place)
    lockBinding("install.packages", place)
  }
}

use_user_library <- function() {
  if (file.access(.libPaths()[[1L]], 2L) == 0L) return(invisible())
  folder <- path.expand(strsplit(Sys.getenv("R_LIBS_USER"), ":", fixed = TRUE)[[1L]][1L])
  if (is.na(folder) || !nzchar(folder)) return(invisible())
  dir.create(folder, showWarnings = FALSE, recursive = TRUE)
  .libPaths(c(folder, .libPaths()))
}
