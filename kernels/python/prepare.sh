#!/bin/sh
# Makes the Python environment of the kernel in the folder named by $1: IPython and the usual scientific packages.
# The interpreter must be one that other users can run, so the system's comes first: a Python under a private home is not.
set -eu
prepared=$1
here=$(cd "$(dirname "$0")" && pwd)

for python in /usr/bin/python3 /usr/local/bin/python3 python3; do
  command -v "$python" >/dev/null 2>&1 && "$python" -c 'import venv, ensurepip' 2>/dev/null && break
  python=
done
if [ -z "$python" ]; then
  echo "no python3 with venv found: install python3 and python3-venv" >&2
  exit 1
fi
# With the system's packages in sight a user who cannot write here can still `pip install` in a cell, into their own folder.
"$python" -m venv --system-site-packages "$prepared"
"$prepared/bin/python" -m pip install --disable-pip-version-check --no-input --progress-bar off -r "$here/requirements.txt"
