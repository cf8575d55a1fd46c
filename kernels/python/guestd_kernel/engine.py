"""What the kernel asks of an engine."""

from __future__ import annotations

from .errors import CellError
from .event_loop import EventLoop

# What every module has. Who starts processes looks for it in `__main__`.
MODULE_NAMES = ("__doc__", "__loader__", "__package__", "__spec__")


class Engine:
    """Evaluates cells in this process. `input_error` is raised where code asks for input."""

    name: str
    input_error: type[Exception]

    def __init__(self) -> None:
        self.loop = EventLoop()

    @property
    def count(self) -> int:
        """The number of the next execution."""
        raise NotImplementedError

    def use_up(self, count: int) -> None:
        """Makes sure that the next execution has another number than `count`, however early this one ended."""
        raise NotImplementedError

    def warm_up(self) -> None:
        """Runs throw-away cells, so that what is imported at the first use is there, and leaves no trace of them."""
        self.run("1 + 1")
        error = self.run("1 / 0")
        if error is not None:
            str(error.trace)
        self.loop.discard()
        self.reset()

    def reset(self) -> None:
        """Forgets all cells."""
        raise NotImplementedError

    def run(self, code: str) -> CellError | None:
        """Runs a cell. Returns the error to report, which is the last if there were several."""
        raise NotImplementedError

    def show(self, value: object) -> CellError | None:
        """Displays a value outside of a cell's code. Returns the error of its representations."""
        raise NotImplementedError

    def show_quietly(self, value: object) -> None:
        """Displays a value if it can be; the cell does not fail for it."""
        raise NotImplementedError
