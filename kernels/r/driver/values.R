# What a value looks like: as R prints it, and in what other forms it has.

# MIME type → JSON. `text` is what R prints.
value_data <- function(value, text) {
  data <- list()
  if (nzchar(text)) data[["text/plain"]] <- json_string(text)
  # A form that cannot be had is left out: it never fails a good cell.
  others <- tryCatch(other_forms(value), error = function(error) list())
  c(data, others)
}

other_forms <- function(value) {
  if (is.data.frame(value)) return(data_frame_forms(value))
  if (inherits(value, c("html", "shiny.tag", "shiny.tag.list"))) {
    return(list("text/html" = json_string(paste(as.character(value), collapse = "\n"))))
  }
  list()
}

# What R prints of a value at its prompt. `capture.output` gives the same, but takes half a minute for a hundred thousand lines.
printed_text <- function(value) {
  target <- rawConnection(raw(), "wb")
  level <- sink.number()
  on.exit({
    while (sink.number() > level) sink()
    close(target)
  })
  sink(target)
  print_value(value)
  while (sink.number() > level) sink()
  text <- rawToChar(rawConnectionValue(target))
  Encoding(text) <- "UTF-8"
  sub("\n$", "", text)
}

print_value <- function(value) if (isS4(value)) methods::show(value) else print(value)
