"""What is reported about a cell that did not end well."""

from __future__ import annotations

import os
import sys
import traceback
from types import TracebackType

from .long_text import shortened

DRIVER_FOLDER = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


class CellError:
    """An error as it goes to guestd."""

    def __init__(self, name: str, value: str, trace: str, is_interrupt: bool = False):
        self.name = name
        self.value = shortened(value)
        self.trace = shortened(trace)
        self.is_interrupt = is_interrupt

    @classmethod
    def of(cls, error: BaseException, lines: list[str] | None = None) -> CellError:
        """Describes `error`; `lines` are its formatted traceback if somebody has made it already."""
        if lines is None:
            lines = _format(error)
        trace = "\n".join(line.rstrip("\n") for line in lines)
        return cls(type(error).__name__, message_of(error), trace, isinstance(error, KeyboardInterrupt))


def _format(error: BaseException) -> list[str]:
    try:
        hide_driver(error)
        return traceback.format_exception(type(error), error, error.__traceback__)
    except Exception:
        return [f"{type(error).__name__}: {message_of(error)}"]  # the user has broken what formatting needs


def complain(text: str) -> None:
    """Writes to the user's stderr, whatever it is by now."""
    try:
        sys.stderr.write(text + "\n")
    except Exception:
        pass  # nobody would see it


def message_of(error: BaseException) -> str:
    """`str(error)`, whatever its class makes of that."""
    try:
        return str(error)
    except Exception:
        return "<exception str() failed>"


def hide_driver(error: BaseException) -> None:
    """Takes the kernel's own frames out of the traceback of `error` and of the errors behind it."""
    pending, seen = [error], set()
    while pending:
        current = pending.pop()
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        current.__traceback__ = user_frames(current.__traceback__)
        pending += [current.__cause__, current.__context__, *getattr(current, "exceptions", ())]


def user_frames(trace: TracebackType | None) -> TracebackType | None:
    """`trace` without the kernel's own frames."""
    kept = []
    while trace is not None:
        if not trace.tb_frame.f_code.co_filename.startswith(DRIVER_FOLDER):
            kept.append(trace)
        trace = trace.tb_next
    for entry, following in zip(kept, [*kept[1:], None]):
        entry.tb_next = following
    return kept[0] if kept else None
