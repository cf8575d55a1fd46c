#!/bin/sh
# Puts guestd's own Node ($GUESTD_NODE) into the folder named by $1: where root has installed guestd in a folder of its own, the
# kernel's user could not run it from there.
set -eu
[ "$(id -u)" -eq 0 ] || exit 0
# The same file under another name where that can be had: it takes no space.
ln -f "$GUESTD_NODE" "$1/node" 2>/dev/null || cp "$GUESTD_NODE" "$1/node"
chmod 755 "$1/node"
