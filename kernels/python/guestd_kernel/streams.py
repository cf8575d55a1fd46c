"""sys.stdout and sys.stderr: text goes out at line ends, and whole."""

from __future__ import annotations

import io
import sys
import time

from .descriptors import STDERR, STDOUT, write_all

# A partial line that follows older text by more than this goes out at once.
STALE_S = 0.05


class OutputDescriptor(io.RawIOBase):
    """Writes straight to a descriptor, which it never closes. Has no lock, so signal handlers may print."""

    mode = "wb"

    def __init__(self, number: int, name: str):
        super().__init__()
        self.name = name
        self._number = number

    @property
    def raw(self) -> OutputDescriptor:
        """Itself: there is no buffer above it, where a `BufferedWriter` would have one."""
        return self

    def fileno(self) -> int:
        return self._number

    def writable(self) -> bool:
        return True

    def write(self, content: object) -> int:
        size = memoryview(content).nbytes
        write_all(self._number, content)
        return size


class OutputStream(io.TextIOWrapper):
    """A text stream that flushes whole lines, so one print is one write, and partial lines when they are late."""

    def __init__(self, number: int, name: str):
        super().__init__(OutputDescriptor(number, name), encoding="utf-8", errors="backslashreplace", newline="\n")
        self.mode = "w"
        self._flushed_at = 0.0

    def write(self, text: str) -> int:
        count = super().write(text)
        if "\n" in text or time.monotonic() - self._flushed_at > STALE_S:
            self.flush()
        return count

    def flush(self) -> None:
        self._flushed_at = time.monotonic()
        super().flush()


class Streams:
    """Owns the process's output streams."""

    def __init__(self) -> None:
        self._own: dict[str, OutputStream] = {}

    def install(self) -> None:
        """Puts the streams in place; the ones that Python made stay open underneath."""
        for name in ("stdout", "stderr"):
            self._replace(name)

    def heal(self) -> None:
        """Puts back a stream that the user has closed or removed. One that was merely replaced stays."""
        for name in tuple(self._own):
            if not _is_usable(getattr(sys, name, None)):
                self._replace(name)

    def is_own(self, name: str) -> bool:
        """Whether what is printed to `sys.<name>` reaches the descriptor of that name."""
        return getattr(sys, name, None) is self._own.get(name)

    def flush(self) -> None:
        """Sends what was printed so far on its way."""
        for name, own in self._own.items():
            _flush(own)
            current = getattr(sys, name, None)
            if current is not own:
                _flush(current)

    def _replace(self, name: str) -> None:
        number = STDOUT if name == "stdout" else STDERR
        stream = OutputStream(number, f"<{name}>")
        self._own[name] = stream
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def _is_usable(stream: object) -> bool:
    try:
        return stream is not None and not getattr(stream, "closed", False)
    except ValueError:
        return False  # detached from its descriptor


def _flush(stream: object) -> None:
    try:
        stream.flush()
    except Exception:
        pass  # closed, removed or broken by the user: nothing of it can be sent
