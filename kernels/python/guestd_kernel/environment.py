"""The process's variables and working directory, as guestd sets them."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator

VERSION = ".".join(map(str, sys.version_info[:3]))

# User code may put another object in its place; the process's environment stays behind this one.
ENVIRON = os.environ


def unpack(packed: bytes) -> dict[str, str | None]:
    """Variables from `NAME=VALUE NUL` each; None stands for one that is taken away."""
    variables: dict[str, str | None] = {}
    for entry in packed.split(b"\0"):
        name, separator, value = entry.partition(b"=")
        if name:
            variables[os.fsdecode(name)] = os.fsdecode(value) if separator else None
    return variables


def replace(variables: dict[str, str | None]) -> None:
    """Makes `variables` all there are."""
    change({**dict.fromkeys(ENVIRON), **variables})


def change(variables: dict[str, str | None]) -> dict[str, str | None]:
    """Sets and removes variables. Returns how to put them back."""
    previous = {name: ENVIRON.get(name) for name in variables}
    for name, value in variables.items():
        if value is None:
            ENVIRON.pop(name, None)
        else:
            ENVIRON[name] = value
    if "TZ" in variables:
        time.tzset()
    return previous


@contextlib.contextmanager
def changed(variables: dict[str, str | None]) -> Iterator[None]:
    """Sets variables for a while; afterwards each is as it was, whatever happened to it meanwhile."""
    previous = change(variables)
    try:
        yield
    finally:
        change(previous)


def enter(folder: str) -> str | None:
    """Changes the working directory. Returns why it cannot be entered."""
    try:
        os.chdir(folder)
    except OSError as error:
        return f"{folder}: {error.strerror}"
    return None


def activate_interpreter() -> None:
    """Lets `pip`, `python` and installed programs of a virtual environment be found by name, as its activation does."""
    if sys.prefix == sys.base_prefix:
        return
    folder = os.path.dirname(sys.executable)
    entries = ENVIRON.get("PATH", os.defpath).split(os.pathsep)
    if folder not in entries:
        ENVIRON["PATH"] = os.pathsep.join([folder, *entries])
