"""Frames that arrive from guestd: `OP ID LENGTH_1 LENGTH_2 LF`, then two parts of these lengths."""

from __future__ import annotations

import os

READ_SIZE = 1 << 16


class Request:
    """One request: `text` is its first part, `variables` its second, still packed."""

    def __init__(self, op: str, id: str, text: str, variables: bytes):
        self.op = op
        self.id = id
        self.text = text
        self.variables = variables


class RequestReader:
    """Reads requests from one descriptor. Signals must be blocked while it reads: an exception would lose bytes."""

    def __init__(self, descriptor: int):
        self.descriptor = descriptor
        self._buffer = bytearray()

    @property
    def has_buffered(self) -> bool:
        """Whether bytes were read that belong to the next request."""
        return bool(self._buffer)

    def read(self) -> Request | None:
        """The next request, or None when guestd has ended them."""
        header = self._take_line()
        if header is None:
            return None
        op, id, text_size, variables_size = header.decode("ascii").split()
        text = self._take(int(text_size))
        variables = self._take(int(variables_size))
        if text is None or variables is None:
            return None
        return Request(op, id, text.decode("utf-8", "replace"), variables)

    def _take_line(self) -> bytes | None:
        while True:
            end = self._buffer.find(b"\n")
            if end >= 0:
                line = bytes(self._buffer[:end])
                del self._buffer[: end + 1]
                return line
            if not self._fill():
                return None

    def _take(self, size: int) -> bytes | None:
        while len(self._buffer) < size:
            if not self._fill():
                return None
        part = bytes(self._buffer[:size])
        del self._buffer[:size]
        return part

    def _fill(self) -> bool:
        received = os.read(self.descriptor, READ_SIZE)
        self._buffer += received
        return bool(received)
