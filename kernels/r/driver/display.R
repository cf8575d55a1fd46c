# What cells can show besides their values: functions in the search path, in front of R's own packages.

install_display <- function(channel) {
  text_display <- function(type) {
    force(type)
    function(text) show_data(structure(list(json_string(paste(text, collapse = "\n"))), names = type))
  }
  # `image`: a file's name, or its content as raw bytes.
  image_display <- function(type) {
    force(type)
    function(image) {
      bytes <- if (is.raw(image)) image else readBin(image, "raw", file.size(image))
      show_data(structure(list(json_string(base64(bytes))), names = type))
    }
  }
  show_data <- function(data) {
    channel$result(data)
    invisible()
  }
  functions <- list(
    display = function(value) show_data(value_data(value, printed_text(value))),
    display_html = text_display("text/html"),
    display_markdown = text_display("text/markdown"),
    display_latex = text_display("text/latex"),
    display_svg = text_display("image/svg+xml"),
    display_png = image_display("image/png"),
    display_jpeg = image_display("image/jpeg")
  )
  attach(functions, name = "guestd", warn.conflicts = FALSE)
}
