# JSON, as far as events need it.

# Strings in quotes, each of them.
json_string <- function(text) {
  text <- as.character(text)
  # Most are plain: what follows takes ten times as long.
  if (!any(grepl(JSON_SPECIAL, text, perl = TRUE, useBytes = TRUE))) return(paste0("\"", text, "\""))
  Encoding(text)[Encoding(text) == "bytes"] <- "unknown"
  text <- enc2utf8(text)
  is_broken <- !validUTF8(text)
  if (any(is_broken)) text[is_broken] <- iconv(text[is_broken], "UTF-8", "UTF-8", sub = "\ufffd")
  for (pair in JSON_ESCAPES) text <- gsub(pair[[1L]], pair[[2L]], text, fixed = TRUE)
  has_control <- grepl("[\001-\037]", text, perl = TRUE, useBytes = TRUE)
  if (any(has_control)) {
    for (code in 1:31) {
      text[has_control] <- gsub(intToUtf8(code), sprintf("\\u%04x", code), text[has_control], fixed = TRUE)
    }
  }
  paste0("\"", text, "\"")
}

JSON_SPECIAL <- "[^ !#-\\[\\]-~]"
JSON_ESCAPES <- list(c("\\", "\\\\"), c("\"", "\\\""), c("\n", "\\n"), c("\r", "\\r"), c("\t", "\\t"))

# Numbers, each of them, so that reading them gives the same again; null for what JSON has no number for.
json_number <- function(numbers) {
  if (is.integer(numbers)) return(ifelse(is.na(numbers), "null", sprintf("%d", numbers)))
  text <- sprintf("%.15g", numbers)
  is_number <- is.finite(numbers)
  is_short <- !is_number
  is_short[is_number] <- as.numeric(text[is_number]) == numbers[is_number]
  text[!is_short] <- sprintf("%.17g", numbers[!is_short])
  text[!is_number] <- "null"
  text
}

# An array of values that are JSON already.
json_array <- function(values) paste0("[", paste0(values, collapse = ","), "]")

# An object of values that are JSON already.
json_object <- function(names, values) {
  if (length(names) == 0L) return("{}")
  paste0("{", paste0(json_string(names), ":", values, collapse = ","), "}")
}
