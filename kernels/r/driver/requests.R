# Frames that arrive from guestd: `OP ID LENGTH_1 LENGTH_2 LF`, then two parts of these lengths.

# The next request, or NULL when guestd has ended them.
read_request <- function(connection) {
  header <- readLines(connection, 1L, warn = FALSE)
  if (length(header) == 0L) return(NULL)
  words <- strsplit(header, " ", fixed = TRUE)[[1L]]
  list(
    op = words[[1L]], id = words[[2L]],
    text = readBin(connection, "raw", as.numeric(words[[3L]])),
    variables = readBin(connection, "raw", as.numeric(words[[4L]]))
  )
}

# Bytes as text. NUL, which no text of R can hold, becomes U+FFFD.
request_text <- function(bytes) {
  if (any(bytes == 0L)) bytes <- unlist(lapply(bytes, function(byte) if (byte == 0L) charToRaw("\ufffd") else byte))
  text <- rawToChar(bytes)
  Encoding(text) <- "UTF-8"
  text
}
