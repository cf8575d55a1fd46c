# Base64 of raw bytes, without line breaks.

base64 <- function(bytes) {
  missing <- -length(bytes) %% 3L
  parts <- matrix(as.integer(c(bytes, raw(missing))), 3L)
  # Twelve bits are two characters.
  halves <- rbind(parts[1L, ] * 16L + parts[2L, ] %/% 16L, (parts[2L, ] %% 16L) * 256L + parts[3L, ])
  text <- rawToChar(as.raw(BASE64_PAIRS[, halves + 1L]))
  if (missing == 0L) text else paste0(substr(text, 1L, nchar(text) - missing), strrep("=", missing))
}

BASE64_PAIRS <- local({
  characters <- utf8ToInt("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
  rbind(rep(characters, each = 64L), rep(characters, 64L))
})
