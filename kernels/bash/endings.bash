# `exit`, `set -e`: the shell ends, and the same process goes on with another one that has its state.
# A trap on EXIT is the user's and runs then; the kernel's own is always the one that the shell knows.

# Notes what the user has trapped EXIT with, from what `trap -p EXIT` says, and takes the trap back.
__k_keep_exit_trap() {
  [[ $1 == *__k_on_exit* ]] && builtin return 0
  __k_exit_trap=$1
  builtin trap __k_on_exit EXIT
}

# A cell may trap EXIT and then end the shell: the one word that would take our trap away is replaced while such a cell runs.
__k_watch_traps() {
  [[ $__k_code =~ trap.*(EXIT|exit|[[:space:]]0) ]] || builtin return 0
  trap() {
    builtin local word others
    others=()
    if [[ $BASHPID != "$$" || $# -lt 2 || $1 == -[pl]* ]]; then
      builtin trap "$@"
      builtin return
    fi
    [[ $1 == -- ]] && builtin shift
    for word in "${@:2}"; do
      case $word in
        EXIT | exit | SIGEXIT | 0)
          if [[ $1 == - ]]; then __k_exit_trap=; else builtin printf -v __k_exit_trap 'trap -- %q EXIT' "$1"; fi
          ;;
        *) others+=("$word") ;;
      esac
    done
    [[ ${others[*]} ]] || builtin return 0
    builtin trap -- "$1" "${others[@]}"
  }
}

# The shell ends: runs the user's trap, and goes on.
__k_on_exit() {
  __k_done=$?
  builtin set +eux
  __k_run_exit_trap
  [[ $__k_id ]] || builtin return "$__k_done"
  builtin unset -f trap
  exec 204<<<"$(__k_state)"
  builtin trap : INT
  exec 1>/proc/self/fd/201 2>/proc/self/fd/202 3</proc/self/fd/200 4>/proc/self/fd/203
  exec "$BASH" --norc --noprofile "$__k_folder/main.bash" 204
}

__k_run_exit_trap() {
  [[ $__k_exit_trap ]] || builtin return 0
  builtin eval "set -- $__k_exit_trap"
  __k_exit_trap=
  { (builtin exit "$__k_done"); builtin eval "$3"; } </dev/null >/proc/self/fd/201 2>/proc/self/fd/202
}

# Prints what makes another shell like this one. Options come last: they may end a shell that meets a failing command.
__k_state() {
  builtin declare -p
  builtin declare -f
  builtin alias -p
  builtin trap -p | builtin command grep -v __k_on_exit
  builtin printf 'cd -- %q\numask %s\n' "$PWD" "$(builtin umask)"
  builtin shopt -p
  builtin set +o | builtin command grep -v -e errexit -e history
}

# guestd is gone, or wants this kernel to end.
__k_leave() {
  __k_id=
  builtin exit 0
}
