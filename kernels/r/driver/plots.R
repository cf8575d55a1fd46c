# Plots: whatever is drawn without a device of the user's own goes to PNG files, one a page, which are shown and removed.

# `show` shows pages as displays: those that are complete, or at a cell's end all of them.
new_plots <- function(channel) {
  folder <- tempfile("guestd-plots-")
  # Devices of this cell: the pattern of each one's files, named by its number.
  opened <- character()

  open_device <- function(width = getOption("repr.plot.width", 7), height = getOption("repr.plot.height", 7),
                          pointsize = getOption("repr.plot.pointsize", 12), bg = "white", ...) {
    dir.create(folder, showWarnings = FALSE, recursive = TRUE)
    pages <- file.path(folder, sprintf("%08d-%%05d.png", length(opened) + 1L))
    type <- if (capabilities("cairo")) "cairo" else getOption("bitmapType")
    res <- getOption("repr.plot.res", 120)
    grDevices::png(pages, width, height, "in", pointsize, bg, res, type = type)
    opened <<- c(opened, structure(pages, names = grDevices::dev.cur()))
  }
  # Those that are still there: the user may have closed one, and opened another under its number.
  still_open <- function() {
    patterns <- vapply(.Devices, function(device) c(attr(device, "filepath"), "")[[1L]], "")
    opened[opened == patterns[as.integer(names(opened))]]
  }
  # The last page of an open device may still be drawn on.
  unfinished <- function(files) {
    prefixes <- substr(basename(still_open()), 1L, 9L)
    vapply(prefixes, function(prefix) max(c("", files[startsWith(basename(files), prefix)])), "")
  }
  emit <- function(files) {
    for (file in files) {
      size <- file.size(file)
      bytes <- if (is.na(size)) raw() else readBin(file, "raw", size)
      # Before it is shown: an interrupt in between must not leave it to a later cell.
      unlink(file)
      if (length(bytes) == 0L) next
      image <- paste0("\"", base64(bytes), "\"")
      channel$result(list("text/plain" = json_string("plot without title"), "image/png" = image))
    }
  }
  close_devices <- function() {
    current <- grDevices::dev.cur()
    for (number in as.integer(names(still_open()))) grDevices::dev.off(number)
    if (current %in% grDevices::dev.list()) grDevices::dev.set(current)
    opened <<- character()
  }
  list(
    open_device = open_device,
    show = function(is_end) {
      if (length(opened) == 0L) return(invisible())
      if (is_end) close_devices()
      files <- sort(list.files(folder, full.names = TRUE))
      if (is_end) on.exit(unlink(files))
      emit(if (is_end) files else setdiff(files, unfinished(files)))
    }
  )
}
