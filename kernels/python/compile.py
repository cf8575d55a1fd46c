"""Makes the bytecode of the kernel's modules where there is none of their source as it is. Quick when there is nothing to do."""

import importlib.util
import os
import py_compile
import sys

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "guestd_kernel")
# Of a module whose source is looked at whenever it is imported: by content, since copies of it have other times.
CHECKED_HASH = (0b11).to_bytes(4, "little")


def main():
    """Compiles what has changed, or says why that cannot be: starts take longer then, and all else is the same."""
    try:
        for folder, _, names in os.walk(FOLDER):
            for name in names:
                if name.endswith(".py"):
                    compile_module(os.path.join(folder, name))
    except (OSError, py_compile.PyCompileError) as error:
        print(f"no bytecode of the Python kernel: its starts take longer: {error}", file=sys.stderr)


def compile_module(path):
    """Writes the bytecode of one module unless it is there."""
    with open(path, "rb") as file:
        source = file.read()
    header = importlib.util.MAGIC_NUMBER + CHECKED_HASH + importlib.util.source_hash(source)
    bytecode = importlib.util.cache_from_source(path)
    if header != beginning(bytecode, len(header)):
        py_compile.compile(path, bytecode, doraise=True, invalidation_mode=py_compile.PycInvalidationMode.CHECKED_HASH)


def beginning(path, size):
    """The first bytes of a file; none of one that is not there."""
    try:
        with open(path, "rb") as file:
            return file.read(size)
    except FileNotFoundError:
        return b""


main()
