#!/bin/sh
# Starts guestd with the Node that came along, wherever this folder was put.
# Each program that runs here costs milliseconds: where the path tells all, none does.
root=${0%/bin/guestd}
if [ -L "$0" ] || [ "$root" = "$0" ] || [ ! -e "$root/dist/main.js" ]; then
  self=$(readlink -f "$0")
  root=${self%/bin/guestd}
fi
if [ ! -e "@LOADER@" ]; then
  echo "guestd: needs glibc 2.28 or newer, and there is no @LOADER@ here: musl (Alpine) and other C libraries do not serve" >&2
  exit 1
fi
set -- "$root/bin/node" --disable-sigusr1 --max-semi-space-size=4 "$root/dist/main.js" "$@"
# The image's own C++ runtime where there is one: it is never older than what programs beside it need.
for library in /usr/lib/*/libstdc++.so.6 /usr/lib64/libstdc++.so.6 /usr/lib/libstdc++.so.6 /lib/*/libstdc++.so.6; do
  [ -e "$library" ] && exec "$@"
done
LD_LIBRARY_PATH="$root/lib/native" exec "$@"
