#!/bin/sh
# Makes the kernel's bytecode, for the Python of the folder named by $1 and the system's: users who run the kernel cannot write here.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
for python in "$1/bin/python" /usr/bin/python3 /usr/local/bin/python3; do
  # One that is too old for the kernel may be too old for this.
  if [ -x "$python" ]; then "$python" "$here/compile.py" || true; fi
done
