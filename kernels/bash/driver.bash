# The kernel's shell, set up. Its own 1 and 2 are /dev/null, where prompts and the newline of an interrupt go; cells get the real ones.
# Names of ours begin with __k_; `builtin` is said because users may define functions of any name.
PS1= PS2= __k_id= __k_code= __k_done= __k_count=0 __k_barrier=0 __k_lines=0 __k_nonce= __k_exit_trap= __k_may_trap= __k_traps= __k_saved=()
unset PROMPT_COMMAND PS0 HISTFILE
set +H +m +o history
shopt -u checkwinsize
shopt -s expand_aliases

# Makes a descriptor close-on-exec. Bash has no word for that, but keeps what a block redirects in a copy that is, and copies of it are.
__k_seal() {
  builtin local copy
  exec 1>&"$1"
  {
    for copy in {10..60}; do
      [[ /proc/self/fd/$copy -ef /proc/self/fd/$1 ]] && builtin eval "exec $1>&$copy" && builtin break
    done
  } >/dev/null
  exec 1>/dev/null
}

for __k_part in 200 201 202 203; do __k_seal "$__k_part"; done
. "$__k_folder/requests.bash"
. "$__k_folder/events.bash"
. "$__k_folder/variables.bash"
. "$__k_folder/endings.bash"

if [[ ${1-} ]]; then
  # Goes on from the state of the shell that ended: only what cannot be set again fails here.
  . /dev/fd/204
  exec 204<&-
fi
__k_lines=0
builtin trap __k_on_exit EXIT
builtin set --
__k_feed
