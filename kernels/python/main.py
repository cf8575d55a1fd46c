"""Starts the Python kernel, or with --fork-server what forks them: requests on descriptor 3, events on descriptor 4 (see ../PROTOCOL.md)."""

import os
import sys

FOLDER = os.path.dirname(os.path.abspath(__file__))


def main():
    """Imports the kernel without leaving its folder on the user's path, and runs it."""
    # The package is found through sys.path once; its later imports go through its own path.
    added_by_python = [entry for entry in sys.path if entry != FOLDER]
    sys.path[:] = [FOLDER] + added_by_python
    from guestd_kernel import boot

    # As in an interactive Python: modules next to the user's files come first, ours are out of sight.
    sys.path[:] = [""] + added_by_python
    entry = boot.fork_kernels if sys.argv[1:] == ["--fork-server"] else boot.main
    sys.argv = [""]
    entry()


if __name__ == "__main__":
    main()
