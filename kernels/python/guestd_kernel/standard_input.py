"""Cells have no standard input: asking for it is an error at once, not a wait for ever."""

from __future__ import annotations

import builtins
from types import ModuleType

from .import_hooks import ImportHooks

REFUSAL = "raw_input was called, but this frontend does not support input requests."


def refuse(error: type[Exception], hooks: ImportHooks) -> None:
    """Makes `input` and `getpass` raise `error`."""

    def input(prompt: object = "", /) -> str:
        raise error(REFUSAL)

    def getpass(prompt: str = "Password: ", stream: object = None, **options: object) -> str:
        raise error(REFUSAL)

    def patch(module: ModuleType) -> None:
        module.getpass = getpass

    builtins.input = input
    hooks.after("getpass", patch)
