# Variables of one cell, and back.

# Takes __k_variables (`NAME=VALUE`, or `NAME` to take one away) and notes in __k_saved what was there.
__k_change() {
  builtin local __k_entry __k_name
  __k_saved=()
  for __k_entry in "${__k_variables[@]}"; do
    __k_name=${__k_entry%%=*}
    [[ $__k_name =~ ^[A-Za-z_][A-Za-z0-9_]*$ ]] || builtin continue
    if [[ -v $__k_name ]]; then
      __k_saved+=("$__k_name" "${!__k_name@a}" "${!__k_name}")
    else
      __k_saved+=("$__k_name" - '')
    fi
    if [[ $__k_entry == *=* ]]; then
      builtin declare -gx "$__k_entry"
    else
      builtin unset -v "$__k_name"
    fi
  done
}

# Puts back what __k_change has noted.
__k_restore() {
  builtin local __k_index __k_name
  for ((__k_index = ${#__k_saved[@]} - 3; __k_index >= 0; __k_index -= 3)); do
    __k_name=${__k_saved[__k_index]}
    case ${__k_saved[__k_index + 1]} in
      -) builtin unset -v "$__k_name" ;;
      *x*) builtin declare -gx "$__k_name=${__k_saved[__k_index + 2]}" ;;
      *) builtin declare -g +x "$__k_name=${__k_saved[__k_index + 2]}" ;;
    esac
  done
  __k_saved=()
}
