# Starts the kernel: requests on descriptor 3, events on 4 (see ../PROTOCOL.md).
local({
  script <- sub("--file=", "", grep("--file=", commandArgs(), fixed = TRUE, value = TRUE)[1L], fixed = TRUE)
  # Base comes first, so whatever users define, the kernel's words keep their meaning; and behind base, where methods are looked
  # for, what they have defined.
  kernel <- new.env(parent = .BaseNamespaceEnv)
  parts <- list.files(file.path(dirname(script), "driver"), pattern = "[.]R$", full.names = TRUE)
  for (part in parts) sys.source(part, kernel, keep.source = FALSE)
  kernel$serve(script)
})
