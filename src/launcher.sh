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
# What an image sets for its own Node would load code into guestd, or open a debugger.
unset NODE_OPTIONS NODE_PATH NODE_V8_COVERAGE NODE_REDIRECT_WARNINGS NODE_PENDING_DEPRECATION NODE_DEBUG NODE_DEBUG_NATIVE
exec "$root/bin/node" --disable-sigusr1 --max-semi-space-size=4 --v8-pool-size=1 "$root/dist/main.js" "$@"
