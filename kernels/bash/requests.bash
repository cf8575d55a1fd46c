# Requests: what the shell is fed with, and the frames that guestd sends.

# Runs one cell at the top level, where `declare` makes global variables, and where the descriptors of its source are closed to it.
__k_cell='__k_next; builtin source /dev/fd/205 205<<<"$__k_code" </dev/null >/proc/self/fd/201 2>/proc/self/fd/202; __k_done=$?'

# Keeps lines in the shell's own input. An interrupt may eat one, so there are more than needed.
__k_feed() {
  builtin local line
  ((--__k_lines > 32)) && builtin return
  for line in {1..32}; do builtin printf '%s\n' "$__k_cell" >&0; done
  ((__k_lines += 32))
  builtin return 0
}

# Ends the cell before, answers requests until one is a cell, and leaves its source in __k_code.
__k_next() {
  # Asking for the traps takes a fork, so it begins with the first cell that can set one.
  [[ ! $__k_may_trap ]] || __k_traps=$(builtin trap -p INT; builtin printf '\1'; builtin trap -p EXIT)
  builtin trap '' INT # a request is read whole, or not at all
  builtin local - __k_options=$-
  builtin set +efuvxC
  [[ ! $__k_may_trap ]] || __k_keep_exit_trap "${__k_traps#*$'\1'}"
  __k_end_cell
  __k_feed
  while __k_read; do
    case $__k_op in
      hello) __k_nonce=$__k_text; __k_send ready ",\"pid\":$$,\"engine\":\"bash\",\"version\":\"${BASH_VERSION%%(*}\"" ;;
      adopt) __k_adopt ;;
      reseed) RANDOM=$((16#${__k_text:0:15} ^ $$)) ;;
      execute) __k_begin_cell; builtin return "$__k_return" ;;
    esac
  done
  __k_leave
}

# Reads one request: __k_op, __k_request, __k_text, __k_variables. Fails when there are no more.
__k_read() {
  builtin local LC_ALL=C IFS=' ' size rest
  builtin read -r -u 200 __k_op __k_request size rest || builtin return
  IFS=
  __k_take "$size" || builtin return
  __k_text=$__k_part __k_variables=()
  while ((rest > 0)); do
    builtin read -r -d '' -u 200 __k_part || builtin return
    __k_variables+=("$__k_part")
    ((rest -= ${#__k_part} + 1))
  done
  builtin return 0
}

# Reads that many bytes to __k_part. A NUL is left out, as the shell does with its input.
__k_take() {
  builtin local left=$1 piece
  __k_part=
  if ((left > 16384)); then
    # The shell reads a pipe byte by byte; a program does not.
    __k_part=$(builtin command head -c "$left" <&200; builtin printf x)
    __k_part=${__k_part%x}
    builtin return 0
  fi
  while ((left > 0)); do
    builtin read -r -d '' -n "$left" -u 200 piece || builtin return
    __k_part+=$piece
    # One that is shorter was ended by a NUL.
    ((${#piece} < left ? (left -= ${#piece} + 1) : (left = 0)))
  done
  builtin return 0
}

# Enters a directory and takes variables for good.
__k_adopt() {
  builtin local error=
  if [[ $__k_text ]] && ! builtin cd -- "$__k_text"; then
    __k_quote "$__k_text: cannot be entered"
    error=",\"error\":$__k_quoted"
  fi
  __k_change
  __k_saved=()
  __k_send adopted ",\"id\":\"$__k_request\"$error"
}

__k_begin_cell() {
  __k_change
  __k_id=$__k_request __k_code=$__k_text __k_done= __k_return=${__k_status:-0}
  __k_watch_traps
  [[ $__k_code == *trap* || $__k_code == *source* || $__k_code == *eval* || $__k_code == *'. '* ]] && __k_may_trap=1
  ((++__k_count))
  __k_send start ",\"id\":\"$__k_id\",\"count\":$__k_count"
  # A failing command of ours would end a shell with errexit.
  [[ $__k_options == *e* ]] && __k_return=0
  builtin trap - INT
  builtin eval "${__k_traps%%$'\1'*}"
  [[ $__k_code != *'$('* ]] || __k_is_sound || __k_run_apart
}

# Whether all of the cell can be read. Bash 5.2 itself dies of the next source after one that ends within `$(`.
__k_is_sound() {
  (
    builtin shopt -s extglob
    builtin eval "if false; then"$'\n'"$__k_code"$'\n'"fi"
  ) </dev/null >/dev/null 2>&1
}

# Runs a cell that cannot be read to its end where it harms nobody: in a subshell. Its status becomes the cell's.
__k_run_apart() {
  (builtin source /dev/fd/205 205<<<"$__k_code") </dev/null >/proc/self/fd/201 2>/proc/self/fd/202
  __k_code="return $?"
}

# Reports how the cell before ended: with its status, or, when it did not come to that, by an interrupt.
__k_end_cell() {
  [[ $__k_id ]] || builtin return 0
  __k_status=${__k_done:-130}
  builtin unset -f trap
  __k_restore
  if [[ ! $__k_done ]]; then
    __k_finish interrupted KeyboardInterrupt ''
  elif ((__k_done)); then
    __k_finish error ExitError "$__k_done"
  else
    __k_finish ok
  fi
}
