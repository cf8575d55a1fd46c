# Events: what guestd hears, behind everything printed so far.

# Sends one event: its name, and its members after the first two.
__k_send() {
  ((++__k_barrier))
  builtin printf '\0\33]K;%s;%d\7' "$__k_nonce" "$__k_barrier" >&201
  builtin printf '\0\33]K;%s;%d\7' "$__k_nonce" "$__k_barrier" >&202
  # What user code may have left of a line in this pipe ends here.
  builtin printf '\n{"ev":"%s","b":%d%s}\n' "$1" "$__k_barrier" "$2" >&203
}

# Sends the end of the running cell: its status, and the name and value of an error.
__k_finish() {
  if [[ ${2-} ]]; then
    __k_send error ",\"id\":\"$__k_id\",\"name\":\"$2\",\"value\":\"$3\",\"traceback\":\"$2${3:+: exit status $3}\""
  fi
  __k_send end ",\"id\":\"$__k_id\",\"status\":\"$1\""
  __k_id=
}

# Leaves a text in __k_quoted as JSON.
__k_quote() {
  builtin local text=${1//\\/\\\\}
  text=${text//\"/\\\"}
  __k_quoted="\"${text//[[:cntrl:]]/?}\""
}
