"""The kernel's descriptors: private ones for the protocol, fresh ones for what the user's code prints."""

from __future__ import annotations

import errno
import fcntl
import os
import select

STDIN, STDOUT, STDERR = 0, 1, 2
REQUESTS, EVENTS = 3, 4

# Far above what user code gets by opening files or closes by habit.
FIRST_PRIVATE = 200


class Descriptors:
    """The private descriptors of an attached kernel. `stdout` and `stderr` lead to the pipes behind 1 and 2."""

    def __init__(self, requests: int, events: int, stdout: int, stderr: int):
        self.requests = requests
        self.events = events
        self.stdout = stdout
        self.stderr = stderr

    def close(self) -> None:
        """Gives all of them up, for a forked child that has no part in the protocol."""
        for number in (self.requests, self.events, self.stdout, self.stderr):
            try:
                os.close(number)
            except OSError:
                pass  # user code closed it already

    def reopen_output(self) -> None:
        """Gives 1 and 2 fresh descriptions, unless the user led them elsewhere, and puts back what the user closed."""
        if not _is_open(STDIN):
            os.open(os.devnull, os.O_RDONLY)
        _reopen(STDOUT, self.stdout)
        _reopen(STDERR, self.stderr)


def claim(requests: int = REQUESTS, events: int = EVENTS) -> Descriptors:
    """Moves the protocol out of the user's way and makes private copies of 1 and 2."""
    return Descriptors(move(requests), move(events), _copy(STDOUT), _copy(STDERR))


def write_all(number: int, content: object) -> None:
    """Writes all of `content`, also when a child has left the shared description non-blocking."""
    rest = memoryview(content).cast("B")
    while rest:
        try:
            rest = rest[os.write(number, rest) :]
        except OSError as error:
            if error.errno != errno.EAGAIN:
                raise
            wait_writable(number)


def wait_writable(number: int) -> None:
    """Waits until `number` takes bytes again."""
    poll = select.poll()
    poll.register(number, select.POLLOUT)
    poll.poll()


def wait_readable(number: int) -> None:
    """Waits until `number` has bytes or has ended."""
    poll = select.poll()
    poll.register(number, select.POLLIN)
    poll.poll()


def move(number: int) -> int:
    """Moves a descriptor out of the user's way, closed on exec."""
    private = fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, FIRST_PRIVATE)
    os.close(number)
    return private


def _copy(number: int) -> int:
    try:
        opened = os.open(f"/proc/self/fd/{number}", os.O_WRONLY)
    except OSError:
        # Sockets and other users' pipes cannot be opened by path: the description is shared then.
        return fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, FIRST_PRIVATE)
    return move(opened)


def _reopen(number: int, private: int) -> None:
    is_open = _is_open(number)
    if is_open and not os.path.sameopenfile(number, private):
        return
    try:
        fresh = os.open(f"/proc/self/fd/{private}", os.O_WRONLY)
    except OSError:
        if not is_open:
            os.dup2(private, number)
        os.set_blocking(number, True)
        return
    if fresh == number:
        os.set_inheritable(number, True)
        return
    os.dup2(fresh, number)
    os.close(fresh)


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True
