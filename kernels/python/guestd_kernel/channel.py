"""The way out to guestd: events, and the markers that keep them in order with what was printed."""

from __future__ import annotations

import errno
import os
import threading

from . import json_values
from .descriptors import Descriptors, wait_writable
from .long_text import shortened
from .mime import wire_data
from .streams import Streams

# guestd's end of a pipe is gone, or user code closed ours: the kernel has nobody to talk to.
CONNECTION_LOST = (errno.EPIPE, errno.EBADF)
EXIT_CONNECTION_LOST = 1
# guestd leaves out events of 64 MiB; some of that is for what every event has.
MAX_EVENT_BYTES = 64 * 1024 * 1024 - 4096


class Channel:
    """Sends events of the process that attached it; silent before that and in forked children. Safe from any thread."""

    def __init__(self, streams: Streams):
        self._streams = streams
        self._lock = threading.Lock()
        self._descriptors: Descriptors | None = None
        self._nonce = ""
        self._barrier = 0
        # An event that goes out with the next one.
        self._held: bytes = b""
        self._cell_id: str | None = None

    def attach(self, descriptors: Descriptors) -> None:
        """Starts sending on `descriptors`."""
        self._descriptors = descriptors
        self._lock = threading.Lock()
        self._barrier = 0
        self._held = b""

    def detach(self) -> None:
        """Falls silent for good."""
        if self._descriptors is not None:
            self._descriptors.close()
        self._descriptors = None
        self._held = b""

    def identify(self, nonce: str) -> None:
        """Sets the nonce of markers."""
        self._nonce = nonce

    def begin_cell(self, id: str, count: int) -> None:
        """Announces a cell; results belong to it until `end_cell`."""
        self._cell_id = id
        self.send("start", id=id, count=count)

    def end_cell(self, status: str) -> None:
        """Announces the end of the cell."""
        id, self._cell_id = self._cell_id, None
        self.send("end", id=id, status=status)

    def error(self, name: str, value: str, traceback: str) -> None:
        """Reports what ended the running cell."""
        self.send("error", id=self._cell_id, name=name, value=value, traceback=traceback)

    def result(self, bundle: dict, is_main: bool, is_last: bool = False) -> None:
        """Shows a value of the running cell. One that arrives between cells has nowhere to go and is dropped.

        `is_last` promises that nothing of the cell runs behind it before the next event or `release`.
        """
        id = self._cell_id
        data = wire_data(bundle)
        if id is not None and data:
            self._send("result", {"id": id, "main": is_main, "data": data}, is_held=is_last)

    def send(self, event: str, /, **members: object) -> None:
        """Sends one event behind everything printed so far."""
        self._send(event, members)

    def release(self) -> None:
        """Sends what is held: code of the user runs next, and what that prints comes behind it."""
        if not self._held:
            return
        with self._lock:
            if self._held:  # no other thread has sent it meanwhile
                self._write_event(b"")

    def _send(self, event: str, members: dict, is_held: bool = False) -> None:
        if self._descriptors is None:
            return
        self._streams.flush()
        body = json_values.encode({"ev": event, **members})
        if len(body) > MAX_EVENT_BYTES and "data" in members:
            body = json_values.encode({"ev": event, **members, "data": _smaller(members["data"])})
        with self._lock:
            if is_held and not self._held:
                self._held = body.encode("ascii")
            else:
                self._write_event(body.encode("ascii"))

    def _write_event(self, body: bytes) -> None:
        """Sends what is held, and then `body`: nothing was printed between them, so one barrier does for both."""
        first, second = (self._held, body) if self._held else (body, b"")
        self._held = b""
        self._barrier += 1
        marker = b"\0\x1b]K;%s;%d\a" % (self._nonce.encode("ascii"), self._barrier)
        # What user code may have left of a line in this pipe ends here.
        line = b'\n%s,"b":%d}\n' % (first[:-1], self._barrier)
        self._write(marker, line + second + b"\n" if second else line)

    def _write(self, marker: bytes, line: bytes) -> None:
        """Writes the marker to both streams and then the line; what a signal handler raises meanwhile comes after.

        No bytecode runs between a write and its entry in `counts`, so an exception never leaves their state unknown.
        """
        own = self._descriptors
        parts = ((own.stdout, marker), (own.stderr, marker), (own.events, line))
        counts: list[int] = []
        raised: BaseException | None = None
        is_full = False
        while True:
            try:
                rest = _unwritten(parts, counts)
                if not rest:
                    break
                if is_full:
                    wait_writable(rest[0][0])
                    is_full = False
                counts.extend(map(os.write, *zip(*rest)))
            except BaseException as error:
                code = getattr(error, "errno", None)
                if code in CONNECTION_LOST:
                    os._exit(EXIT_CONNECTION_LOST)
                is_full = code == errno.EAGAIN
                raised = raised if is_full else error
        if raised is not None:
            raise raised


def _smaller(data: dict) -> dict:
    """The begin and the end of the text of a result that is too large to be sent, if it has one."""
    text = data.get("text/plain")
    return {"text/plain": shortened(text)} if text else data


def _unwritten(parts: tuple, counts: list[int]) -> list:
    """The writes still to be made. Only the last part can be cut short: a pipe takes a marker whole or not at all."""
    before_last = len(parts) - 1
    if len(counts) < before_last:
        return list(parts[len(counts) :])
    number, line = parts[-1]
    rest = memoryview(line)[sum(counts[before_last:]) :]
    return [(number, rest)] if rest else []
