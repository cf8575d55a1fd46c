# Data frames as a table for people and as plain data for programs.

MOST_ROWS <- 60L
MOST_COLUMNS <- 20L

data_frame_forms <- function(frame) {
  list("text/html" = json_string(html_table(frame)), "e2b/data" = column_data(frame))
}

# Column name → values, without row names.
column_data <- function(frame) {
  columns <- lapply(seq_along(frame), function(index) json_array(column_json(frame[[index]])))
  json_object(names(frame), unlist(columns))
}

# The values of a column, each as JSON.
column_json <- function(column) {
  if (is.factor(column)) column <- as.character(column)
  if (inherits(column, "POSIXt")) return(json_text(iso_time(column), is.na(column)))
  if (inherits(column, "Date")) return(json_text(format(column, "%Y-%m-%d"), is.na(column)))
  if (inherits(column, "difftime")) column <- as.numeric(column)
  if (is.object(column) || !is.null(dim(column)) || !is.atomic(column)) return(json_string(cell_text(column)))
  column <- as.vector(column)
  switch(typeof(column),
    logical = ifelse(is.na(column), "null", ifelse(column, "true", "false")),
    integer = ,
    double = json_number(column),
    json_text(as.character(column), is.na(column))
  )
}

# ISO 8601, with the offset from UTC, and milliseconds where there are any.
iso_time <- function(times) {
  seconds <- as.numeric(as.POSIXct(times))
  has_fraction <- any(seconds %% 1 != 0, na.rm = TRUE)
  text <- format(times, if (has_fraction) "%Y-%m-%dT%H:%M:%OS3%z" else "%Y-%m-%dT%H:%M:%S%z")
  sub("([0-9]{2})$", ":\\1", text)
}

json_text <- function(text, is_missing) ifelse(is_missing, "null", json_string(text))

html_table <- function(frame) {
  rows <- seq_len(min(nrow(frame), MOST_ROWS))
  columns <- seq_len(min(length(frame), MOST_COLUMNS))
  names <- escape_html(names(frame)[columns])
  labels <- escape_html(row.names(frame)[rows])
  cells <- lapply(columns, function(index) {
    column <- frame[[index]]
    escape_html(cell_text(if (is.null(dim(column))) column[rows] else column[rows, , drop = FALSE]))
  })
  lines <- do.call(paste0, c(list("<tr><th>", labels, "</th>"), lapply(cells, function(cell) paste0("<td>", cell, "</td>")), "</tr>\n"))
  paste0(
    "<table class=\"dataframe\">\n<thead>\n<tr><th></th>", paste0("<th>", names, "</th>", collapse = ""),
    "</tr>\n</thead>\n<tbody>\n", if (length(rows)) paste0(lines, collapse = ""), "</tbody>\n</table>\n",
    sprintf("<p>%d rows, %d columns</p>", nrow(frame), length(frame))
  )
}

# A text for each row of a column, whatever it is made of.
cell_text <- function(column) {
  text <- format(column, trim = TRUE, justify = "none")
  if (is.null(dim(text))) as.character(text) else do.call(paste, as.data.frame(text))
}

escape_html <- function(text) {
  text <- gsub("&", "&amp;", text, fixed = TRUE)
  text <- gsub("<", "&lt;", text, fixed = TRUE)
  gsub(">", "&gt;", text, fixed = TRUE)
}
