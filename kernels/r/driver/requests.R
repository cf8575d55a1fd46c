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

# Bytes as text. NUL, which no text of R can hold, becomes SUB, which no code can have either.
request_text <- function(bytes) {
  bytes[bytes == 0L] <- as.raw(26L)
  text <- rawToChar(bytes)
  Encoding(text) <- "UTF-8"
  text
}
