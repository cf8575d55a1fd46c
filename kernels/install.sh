#!/bin/sh
# Installs the runtimes of the named kernels into a Debian or Ubuntu image, as root: `install.sh python r java bash`.
# Python packages go where every `python3` of the image finds them, not only the kernel.
set -eu
here=$(dirname "$(readlink -f "$0")")
packages=
for kernel in "$@"; do
  case $kernel in
    python) python3 -m pip --version >/dev/null 2>&1 || packages="$packages python3 python3-pip" ;;
    r) packages="$packages r-base-core" ;;
    java) packages="$packages default-jre-headless" ;;
    bash) packages="$packages bash" ;;
    javascript | typescript) ;; # guestd's own Node
    *)
      echo "no kernel is called '$kernel': there are python, javascript, typescript, bash, r and java" >&2
      exit 1
      ;;
  esac
done
if [ -n "$packages" ]; then
  apt-get update
  # shellcheck disable=SC2086 # a list of words
  DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $packages
  rm -rf /var/lib/apt/lists/*
fi
case " $* " in
  *" python "*)
    # An image is not shared with a system's administrator: cells may `pip install`.
    rm -f /usr/lib/python3*/EXTERNALLY-MANAGED
    python3 -m pip install --root-user-action=ignore --no-cache-dir -r "$here/python/requirements.txt"
    ;;
esac
