#!/bin/sh
# Installs R with the system's packages where it is missing and that can be done: by root, with apt.
set -eu
command -v R >/dev/null 2>&1 && exit 0
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
  echo "R is off: it is not installed; install R 4.0 or newer (Debian: apt-get install r-base-core)" >&2
  exit 1
fi
export DEBIAN_FRONTEND=noninteractive
# Somebody else may be installing something; and a machine without a network is not to wait long for one.
apt() { apt-get -qq -o DPkg::Lock::Timeout=300 -o Acquire::http::Timeout=20 -o Acquire::https::Timeout=20 "$@"; }
# One source that cannot be read is not in the way of the others.
apt update || true
apt install -y --no-install-recommends r-base-core
