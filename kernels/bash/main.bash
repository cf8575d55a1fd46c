# Starts the kernel: requests on descriptor 3, events on 4 (see ../PROTOCOL.md); an argument is the descriptor of a state to go on from.
#
# The kernel is an interactive shell whose commands come from a pipe that it feeds itself: only such a shell comes back to its
# next command, with its state, from an interrupt in whatever it was doing.
folder=${BASH_SOURCE[0]%/*}
[[ ${1-} ]] && exec 204<&"$1"
exec 200<&3 203>&4 3<&- 4>&-
# Descriptions of their own: a child may leave the ones that it shares non-blocking.
exec 201>/proc/self/fd/1 202>/proc/self/fd/2
# A pipe that is open at both ends, and belongs to nobody else.
exec {feed}<> <(:)
printf '__k_folder=%q; . "$__k_folder/driver.bash" %s\n' "$folder" "${1-}" >&"$feed"
exec "$BASH" --norc --noprofile --noediting -i <&"$feed" {feed}>&- >/dev/null 2>&1
