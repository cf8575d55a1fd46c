"""SIGINT, and when it counts: it raises KeyboardInterrupt in a running cell and does nothing otherwise.

Outside of cells and of waiting, signals are blocked in the main thread, so that neither SIGINT nor a handler of the
user breaks into the protocol.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator

# What `signal` wraps: it makes an object of each signal that it returns, which takes several times as long as the call.
from _signal import pthread_sigmask
from _signal import signal as set_handler

# Those that users set handlers for. The faults (SIGSEGV and the like) must always come through.
BLOCKED = frozenset(
    {
        signal.SIGINT,
        signal.SIGALRM,
        signal.SIGVTALRM,
        signal.SIGPROF,
        signal.SIGUSR1,
        signal.SIGUSR2,
        signal.SIGHUP,
        signal.SIGTERM,
        signal.SIGCHLD,
    }
)


class Outcome:
    """What came of a call: its `value`, or what it raised. `is_interrupted` also if it dealt with the interrupt."""

    def __init__(self) -> None:
        self.value: object = None
        self.raised: BaseException | None = None
        self.is_interrupted = False
        self.is_started = False
        self.is_settled = False


def disarm() -> None:
    """Makes SIGINT harmless. A handler, not SIG_IGN, which programs started by the user would inherit."""
    set_handler(signal.SIGINT, _ignore)


def block() -> None:
    """Holds signals back until they are unblocked."""
    pthread_sigmask(signal.SIG_BLOCK, BLOCKED)


def unblock() -> None:
    """Lets signals through; the handlers of pending ones run at once and may raise."""
    pthread_sigmask(signal.SIG_UNBLOCK, BLOCKED)


def run_armed(function: Callable, *arguments: object) -> Outcome:
    """Calls `function` while SIGINT raises KeyboardInterrupt in it. Signals are blocked before and afterwards."""
    outcome = Outcome()
    while not outcome.is_settled:
        try:
            _attempt(outcome, function, arguments)
        except KeyboardInterrupt:
            outcome.is_interrupted = True
        except BaseException as error:
            outcome.raised = error
    return outcome


def run_unblocked(function: Callable, *arguments: object) -> BaseException | None:
    """Calls `function` while signals come through but SIGINT does nothing. Returns what it or a handler raised."""
    raised: BaseException | None = None
    try:
        unblock()
        function(*arguments)
    except BaseException as error:
        raised = error
    while True:
        try:
            block()
            return raised
        except BaseException as error:
            raised = error


def _attempt(outcome: Outcome, function: Callable, arguments: tuple) -> None:
    # The C handler of Python itself adds no frame to tracebacks, and asyncio knows it.
    # It stays in place until signals are blocked; a late interrupt then only repeats the steps behind the call.
    try:
        if not outcome.is_started:
            outcome.is_started = True
            set_handler(signal.SIGINT, signal.default_int_handler)
            unblock()
            outcome.value = function(*arguments)
    except KeyboardInterrupt:
        outcome.is_interrupted = True
    except BaseException as error:
        outcome.raised = error
    block()
    disarm()
    outcome.is_settled = True


def _ignore(signum: int, frame: object) -> None:
    pass


@contextlib.contextmanager
def ignored() -> Iterator[None]:
    """Drops interrupts while a cell that ends anyway is reported."""
    with _handled_by(_ignore):
        yield


@contextlib.contextmanager
def deferred() -> Iterator[None]:
    """Holds interrupts back until the end of the block."""
    struck: list[int] = []
    with _handled_by(lambda signum, frame: struck.append(signum)):
        yield
    if struck:
        signal.raise_signal(signal.SIGINT)


@contextlib.contextmanager
def _handled_by(handler: Callable) -> Iterator[None]:
    previous = signal.getsignal(signal.SIGINT)
    if previous is None or threading.current_thread() is not threading.main_thread():
        yield  # no handler that could be put back, or none that could strike here
        return
    signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
